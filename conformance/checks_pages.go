package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gotoolbase/telemetry/core/driver"
)

const portal = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Please log in to this network.</body></html>\n"

// pages are the ways in which a page begins.
var pages = []string{
	portal,
	strings.ToUpper(portal),
	"<html>" + portal,
	"\ufeff" + portal,
	" \r\n\t" + portal,
	"\n\ufeff \f" + portal,
	"<!-- 2026-01-01 proxy7 -->\n" + portal,
	`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + portal,
}

var htmlTypes = []string{"text/html; charset=utf-8", "text/html"}

func htmlPage(p *probe) {
	p.notAcceptedPages([]int{200}, append([]string{"TEXT/HTML"}, htmlTypes...), pages)
	p.notAcceptedPages([]int{200}, []string{"text/plain", ""}, []string{portal})
}

// pageWithAny2xx tries the other 2xx. What a vendor documents as its one acceptance, and is
// no 200, is left to pageOfAnyType: it is rarely the status of a login page.
func pageWithAny2xx(p *probe) {
	statuses := slices.DeleteFunc([]int{201, 202, 203, 206, 207, 226}, func(status int) bool {
		return !p.subject.takes(200) && !p.subject.BodyDecides && p.subject.takes(status)
	})
	p.notAcceptedPages(statuses, htmlTypes, []string{portal})
	if p.subject.BodyDecides {
		p.notAcceptedPages([]int{200, 202}, []string{"text/plain", "application/json", "application/octet-stream", ""}, pages)
	}
}

// takes reports whether the status can be an acceptance.
func (s *Subject) takes(status int) bool {
	row, known := s.Statuses[status]
	return known && row == driver.ClassAccepted || status == s.Accepted.status()
}

func (p *probe) notAcceptedPages(statuses []int, kinds, bodies []string) {
	p.eachPage(statuses, kinds, bodies, []int{2}, func(status int, what string, v verdict) {
		if !v.kept() {
			p.failf("%s: Send returned %v, want the batch kept", what, v)
		}
	})
}

// eachPage answers with every page in every way and shows what became of the batches.
func (p *probe) eachPage(statuses []int, kinds, bodies []string, sizes []int, look func(status int, what string, v verdict)) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	for _, status := range statuses {
		for _, kind := range kinds {
			for _, body := range bodies {
				p.server.reactWith(page(status, kind, body))
				for _, n := range sizes {
					v := p.send(b, p.batch(n))
					if v.late {
						return
					}
					look(status, fmt.Sprintf("a web page with status %d, of type %q, to a batch of %d", status, kind, n), v)
				}
			}
			if len(p.found()) >= enoughFindings {
				return
			}
		}
	}
}

// page answers with a body of a type, or of none if that is empty.
func page(status int, kind, body string) reaction {
	a := Answer{Status: status, Type: kind, Body: body}
	if kind != "" {
		return answer(a)
	}
	return func(x *exchange) bool {
		return x.write(strings.Replace(a.head(len(body)), "Content-Type: application/json\r\n", "", 1) + body)
	}
}

// pageStatuses are those with which login pages, filters, proxies and web sites at a wrong
// address answer, and one with which a server breaks.
var pageStatuses = []int{400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 422, 431, 451, 500, 511}

func pageWithAnyStatus(p *probe) {
	look := func(status int, what string, v verdict) {
		// What is in between has a limit of its own, so smaller batches may pass.
		smaller := v.class == driver.ClassTooLarge && slices.Contains([]int{413, 414, 431}, status)
		if !v.kept() && !smaller {
			p.failf("%s: Send returned %v, want the batch kept", what, v)
		}
	}
	p.eachPage(pageStatuses, []string{htmlTypes[0], "text/plain"}, []string{portal}, []int{1, 3}, look)
	others := slices.DeleteFunc(everyStatus(), func(status int) bool { return status < 400 || slices.Contains(pageStatuses, status) })
	p.eachPage(others, htmlTypes[:1], []string{portal}, []int{1, 3}, look)
	p.eachPage([]int{http.StatusBadRequest, http.StatusUnprocessableEntity}, htmlTypes[:1], pages, []int{1, 3}, look)
}

func pageOfAnyType(p *probe) {
	kinds := []string{"text/plain", "application/json", "application/octet-stream", "", "application/xhtml+xml"}
	accepted := slices.DeleteFunc([]int{200, 201, 202}, func(status int) bool { return !p.subject.takes(status) })
	p.notAcceptedPages(accepted, append(kinds, htmlTypes...), pages)
	p.eachPage([]int{http.StatusBadRequest}, kinds, pages, []int{1}, func(_ int, what string, v verdict) {
		if !v.kept() {
			p.failf("%s: Send returned %v, want the batch kept", what, v)
		}
	})
}

// challenged answers as AWS's firewall does to a client that did not ask for HTML
// (docs.aws.amazon.com/waf/latest/APIReference/API_ChallengeAction.html).
func challenged(p *probe) {
	b, ok := p.open()
	if !ok {
		return
	}
	defer b.Close()
	p.server.reactWith(answer(Answer{Status: http.StatusAccepted, Header: http.Header{"X-Amzn-Waf-Action": {"challenge"}}}))
	if v := p.send(b, p.batch(2)); !v.late && !v.kept() {
		p.failf("a firewall's challenge with status 202: Send returned %v, want the batch kept", v)
	}
}
