#!/usr/bin/env python3
"""A backend for Acme in Python: a program that speaks the protocol of conformance/WIRE.md.

    go run ./cmd/telemetry-conformance --vendor examples/backends/acme.yaml -- \
        python3 examples/backends/python/acme.py
"""
import datetime
import email.utils
import http.client
import json
import signal
import sys
import urllib.error
import urllib.request

HOUR, MONTH = 3_600_000, 30 * 24 * 3_600_000  # milliseconds


class Answer(http.client.HTTPResponse):
    """An answer without what a server may send ahead of it, of which Python skips 100 alone."""

    def _read_status(self):
        while True:
            status_line = super()._read_status()
            if status_line[1] not in (102, 103):
                return status_line
            while self.fp.readline(65536).strip():
                pass


http.client.HTTPConnection.response_class = Answer


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # the new place would be sent the key


class Acme:
    def __init__(self, settings, headers, tool, version):
        if settings.get("region") not in ("us", "eu"):
            raise SettingError("region", "not one of us, eu")
        own = {"Acme-Key": settings.get("key", ""), "Content-Type": "application/json", "User-Agent": header_text(f"{tool}/{version}")}
        if any(name.title() in own for name in headers):
            raise SettingError("headers", "one of them is set by the backend: leave it out")
        self.headers = {**headers, **own}
        for name, value in self.headers.items():
            if value != header_text(value):
                raise SettingError("key" if name == "Acme-Key" else "headers", "not a text that a header can hold")
        self.url = f"https://{settings['region']}.acme.example/v1/logs"
        self.client = urllib.request.build_opener(NoRedirects)  # reads HTTPS_PROXY, keeps no cookies

    def send(self, events, deadline_ms):
        """Makes one attempt, and says what became of it."""
        if not events:
            return {"class": "accepted"}
        if deadline_ms <= 0:
            return {"class": "again", "error": "acme: no time left"}
        body = json.dumps([log(e) for e in events], ensure_ascii=False).encode()
        request = urllib.request.Request(self.url, body, self.headers, method="POST")
        try:
            signal.setitimer(signal.ITIMER_REAL, deadline_ms / 1000)  # the whole attempt, not each part of it
            try:
                with self.client.open(request) as answer:
                    return verdict(answer.status, answer.headers, whole(answer))
            except urllib.error.HTTPError as answer:
                return verdict(answer.code, answer.headers, whole(answer))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Exception:  # its text may hold the key
            return {"class": "again", "error": "acme: no answer"}


def whole(answer):
    """The body of an answer that has arrived to its end. Python takes a head that is cut for a whole one."""
    body = answer.read(65536)
    if "Transfer-Encoding" not in answer.headers and len(body) < min(int(answer.headers["Content-Length"]), 65536):
        raise EOFError
    return body


def header_text(text):
    """What of a text a header can hold."""
    return "".join(c for c in text if c.isascii() and c.isprintable())


def log(e):
    """What Acme calls an event. What it does not have is left out."""
    entry = {
        "uid": e["id"], "kind": e["type"], "message": e["name"], "time": e["timestamp"],
        "duration_ms": e.get("duration_ms"), "exit": e.get("exit_code"), "args": e.get("args"), "flags": e.get("flags"),
        "error": e.get("error"), "error_class": e.get("error_class"), "run": e.get("run_id"),
        "app": e["tool_name"], "version": e.get("tool_version"), "install": e.get("machine_id"), "consent": e.get("consent_id"),
        "platform": [e["os"], e["arch"], e.get("os_version", ""), e.get("go_version", "")],
        "context": some(e, "ci", "ci_provider", "interactive", "agent", "container"), "folded": some(e, "count", "failures", "durations"),
        "one_in": e.get("sample_rate"), "cut": e.get("truncated"), "redacted": e.get("redacted"),
        "time_adjusted": e.get("time_adjusted"), "extra": e.get("metadata"),
    }
    return {name: value for name, value in entry.items() if value is not None}


def some(e, *names):
    """Those of the fields that an event has, None if it has none of them."""
    return {name: e[name] for name in names if name in e} or None


def verdict(status, headers, body):
    """Acme's table. No text of the server's goes into an error: it may repeat the key."""
    error = f"acme: answered {status}"
    page = "X-Amzn-Waf-Action" in headers or "html" in headers.get("Content-Type", "").lower() or body.lstrip(b" \t\r\n\f\v\xef\xbb\xbf").startswith(b"<")
    wait = retry_after(headers.get("Retry-After", ""))
    if status == 202 and not page:
        return {"class": "accepted"}
    if status == 413:
        return {"class": "too_large", "error": error}
    if status in (408, 429) or status >= 500:
        if wait is not None:
            return {"class": "throttled", "wait_ms": wait, "error": error}
        return {"class": "again", "error": error}
    if page or status < 400:
        return {"class": "again", "error": error}  # the login page of a network, a redirect: not Acme
    if status == 400:
        return {"class": "refused", "error": error}
    return {"class": "throttled", "wait_ms": HOUR, "error": error}  # a wrong key can be repaired, lost events cannot


def retry_after(value):
    """How many milliseconds to wait, None if there is nothing that can be understood."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(int(value) * 1000, MONTH)
    try:
        at = email.utils.parsedate_to_datetime(value)
        wait = (at - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return int(min(max(wait * 1000, 0), MONTH))


class SettingError(Exception):
    pass


def out_of_time(*_):
    raise TimeoutError


def say(line):
    print(json.dumps(line), flush=True)


def main():
    signal.signal(signal.SIGALRM, out_of_time)
    acme = None
    for text in sys.stdin.buffer:  # which ends when whoever started this is gone
        line = json.loads(text)
        if "open" in line:
            told = line["open"]
            try:
                acme = Acme(told["settings"], told["headers"], told["tool"], told["version"])
            except SettingError as wrong:
                say({"error": {"field": wrong.args[0], "problem": wrong.args[1]}})
                return
            say({"opened": {"limits": {"events": 1000, "bytes": 900_000}}})
        elif "send" in line:
            send = line["send"]
            say({"sent": {"id": send["id"], **acme.send(send["events"], send["deadline_ms"])}})
        elif "close" in line:
            say({"closed": True})
            return


if __name__ == "__main__":
    main()
