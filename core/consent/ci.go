package consent

// ciSystems are the systems for continuous integration that are known by name. signs are
// variables that the system sets in every job; all of them tell it. The first system with
// its signs is taken: a few set those of another one too. withoutCI is set where some
// version of the system does not set CI itself.
var ciSystems = []struct {
	name      string
	signs     []string
	withoutCI bool
}{
	// https://forgejo.org/docs/latest/user/actions/reference/ and
	// https://docs.gitea.com/usage/actions/actions-variables: both set GITHUB_ACTIONS too.
	{name: "forgejo-actions", signs: []string{"FORGEJO_ACTIONS"}},
	{name: "gitea-actions", signs: []string{"GITEA_ACTIONS"}},
	// https://docs.github.com/en/actions/reference/workflows-and-actions/variables
	{name: "github-actions", signs: []string{"GITHUB_ACTIONS"}},
	// https://docs.gitlab.com/ci/variables/predefined_variables/
	{name: "gitlab-ci", signs: []string{"GITLAB_CI"}},
	// https://circleci.com/docs/reference/variables/
	{name: "circleci", signs: []string{"CIRCLECI"}},
	// https://buildkite.com/docs/pipelines/configure/environment-variables
	{name: "buildkite", signs: []string{"BUILDKITE"}},
	// https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/
	{name: "bitbucket-pipelines", signs: []string{"BITBUCKET_BUILD_NUMBER"}},
	// https://learn.microsoft.com/azure/devops/pipelines/build/variables
	{name: "azure-pipelines", signs: []string{"TF_BUILD"}, withoutCI: true},
	// https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html
	{name: "teamcity", signs: []string{"TEAMCITY_VERSION"}, withoutCI: true},
	// https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables
	// JENKINS_URL alone is how a person tells Jenkins' command line which server to ask.
	{name: "jenkins", signs: []string{"JENKINS_URL", "BUILD_ID"}, withoutCI: true},
	// https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
	{name: "aws-codebuild", signs: []string{"CODEBUILD_BUILD_ID"}, withoutCI: true},
	// https://confluence.atlassian.com/bamboo/bamboo-variables-289277087.html, with the form in
	// which a shell sees them: https://github.com/watson/ci-info/blob/master/vendors.json
	{name: "bamboo", signs: []string{"bamboo_planKey"}, withoutCI: true},
	// https://docs.gocd.org/current/faq/dev_use_current_revision_in_build.html
	{name: "gocd", signs: []string{"GO_PIPELINE_LABEL"}, withoutCI: true},
	// https://docs.travis-ci.com/user/environment-variables/#default-environment-variables
	{name: "travis-ci", signs: []string{"TRAVIS"}},
	// https://www.appveyor.com/docs/environment-variables/
	{name: "appveyor", signs: []string{"APPVEYOR"}},
	// https://docs.drone.io/pipeline/environment/reference/drone/
	{name: "drone", signs: []string{"DRONE"}},
	// https://woodpecker-ci.org/docs/usage/environment: CI is the system's name.
	{name: "woodpecker", signs: []string{"CI=woodpecker"}},
	// https://docs.semaphore.io/reference/env-vars
	{name: "semaphore", signs: []string{"SEMAPHORE"}},
	// https://cirrus-ci.org/guide/writing-tasks/#environment-variables
	{name: "cirrus-ci", signs: []string{"CIRRUS_CI"}},
	// https://codefresh.io/docs/docs/pipelines/variables/
	{name: "codefresh", signs: []string{"CF_BUILD_ID"}},
	// https://docs.bitrise.io/en/bitrise-ci/references/available-environment-variables.html
	{name: "bitrise", signs: []string{"BITRISE_IO"}},
	// https://docs.codemagic.io/yaml-basic-configuration/environment-variables/
	{name: "codemagic", signs: []string{"CM_BUILD_ID"}},
	// https://developer.apple.com/documentation/xcode/environment-variable-reference
	{name: "xcode-cloud", signs: []string{"CI_XCODE_PROJECT"}},
	// https://docs.netlify.com/build/configure-builds/environment-variables/
	{name: "netlify", signs: []string{"NETLIFY"}},
	// https://developers.cloudflare.com/pages/configuration/build-configuration/
	{name: "cloudflare-pages", signs: []string{"CF_PAGES"}},
}

// InCI reports whether the process runs in continuous integration, where no person can
// be asked and nothing outlives the job. Who sets CI to no has the last word.
func InCI(lookup func(string) (string, bool)) bool {
	_, ok := CI(lookup)
	return ok
}

// CI is InCI with the name of the system. The name is one of a fixed list, "" for a system
// that is not in it: nothing that stands in the environment is returned.
func CI(lookup func(string) (string, bool)) (provider string, ok bool) {
	ci, set := lookup("CI")
	set = set && ci != ""
	if set && saysOff(ci) {
		return "", false
	}
	for _, system := range ciSystems {
		if (set || system.withoutCI) && showsAll(lookup, system.signs) {
			return system.name, true
		}
	}
	return "", set
}

// CIProviders returns the names that CI knows.
func CIProviders() []string {
	names := make([]string, len(ciSystems))
	for i, system := range ciSystems {
		names[i] = system.name
	}
	return names
}

func showsAll(lookup func(string) (string, bool), signs []string) bool {
	for _, sign := range signs {
		if !shows(lookup, sign) {
			return false
		}
	}
	return true
}
