"""Usage events of a tool in Python, by the program telemetry: copy this file into the tool.

    usage = telemetry.Telemetry("mytool.yaml")
    usage.ask()
    with usage.command("build"):
        build()
    usage.track("feature.used", "dark-mode", theme="sepia")

Nothing here raises and nothing is recorded without a yes, which the program asks for. Where the
program is not installed, nothing happens.
"""
import contextlib
import subprocess
import time


class Telemetry:
    def __init__(self, config, program="telemetry"):
        self._call = [program, "--config", config]

    def ask(self):
        """Ask once, if a person sits at the terminal."""
        self._run("ask", stdin=None)

    def track(self, kind, name, /, **details):
        """Record one event. It is on disk when this returns, and sent later."""
        self._run("track", *(f"--meta={k}={v}" for k, v in details.items()), "--", kind, name)

    @contextlib.contextmanager
    def command(self, name):
        """Record how long the block took and what the tool ends with for it."""
        start, code = time.monotonic(), 0
        try:
            yield
        except SystemExit as e:
            # As the system has it: one byte.
            code = e.code & 0xFF if isinstance(e.code, int) else int(e.code is not None)
            raise
        except BaseException:
            code = 1
            raise
        finally:
            took = round((time.monotonic() - start) * 1000)
            self._run("track", f"--duration={took}ms", f"--exit-code={code}", "--", "command.invocation", name)

    def flush(self):
        """Send now what waits, at the end of a job whose disk goes with it."""
        self._run("flush", output=subprocess.DEVNULL)

    def _run(self, *args, stdin=subprocess.DEVNULL, output=None):
        # No program is an OSError, and a NUL in a name a ValueError.
        with contextlib.suppress(OSError, ValueError):
            subprocess.run([*self._call, *args], stdin=stdin, stdout=output, stderr=output, check=False)
