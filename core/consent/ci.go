package consent

// ciSystems are systems for continuous integration of which some versions do not set
// CI: the variables that each of them sets together.
var ciSystems = [][]string{
	// Azure Pipelines: https://learn.microsoft.com/azure/devops/pipelines/build/variables
	{"TF_BUILD"},
	// TeamCity: https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html
	{"TEAMCITY_VERSION"},
	// Jenkins: https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables
	// JENKINS_URL alone is how a person tells Jenkins' command line which server to ask.
	{"JENKINS_URL", "BUILD_ID"},
	// AWS CodeBuild: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
	{"CODEBUILD_BUILD_ID"},
	// Bamboo and GoCD: https://github.com/watson/ci-info/blob/master/vendors.json
	{"bamboo_planKey"},
	{"GO_PIPELINE_LABEL"},
}

// InCI reports whether the process runs in continuous integration, where nobody can
// be asked and nothing outlives the job. Who sets CI to no has the last word.
func InCI(lookup func(string) (string, bool)) bool {
	if value, set := lookup("CI"); set && value != "" {
		return !saysOff(value)
	}
	for _, system := range ciSystems {
		all := true
		for _, name := range system {
			all = all && shows(lookup, name)
		}
		if all {
			return true
		}
	}
	return false
}
