"""jupyter_kernel_test over the installed kernel: python conformance.py [KERNEL_NAME]"""

import sys
import unittest

import jupyter_kernel_test

jupyter_kernel_test.TIMEOUT = 15

PNG = 'Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64")'


KERNEL_NAME = sys.argv[1] if len(sys.argv) > 1 else "reward-forcing"


class Welcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = KERNEL_NAME
    support_iopub_welcome = True


class Conformance(jupyter_kernel_test.KernelTests):
    kernel_name = KERNEL_NAME
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = 'console.log("hello, world")'
    code_stderr = 'console.error("oops")'
    completion_samples = [
        {"text": "Math.SQRT1", "matches": {"SQRT1_2"}},
        {"text": "displ", "matches": {"display"}},
    ]
    complete_code_samples = ["1", "let x = 1", "function f() { return 1 }", "for (let i = 0; i < 3; i++) {}"]
    incomplete_code_samples = ["function f() {", "let x = [", "`abc", "for (let i = 0; i < 3; i++) {"]
    invalid_code_samples = ["let 1x = 2", "import from 7 7"]
    code_generate_error = 'throw new Error("boom")'
    code_execute_result = [
        {"code": "1+1", "result": "2"},
        {"code": '"a" + "b"', "result": "'ab'"},
        {"code": "await Promise.resolve([1, 2])", "result": "[ 1, 2 ]"},
    ]
    code_display_data = [
        {"code": "display(html`<b>x</b>`)", "mime": "text/html"},
        {"code": f"display({PNG})", "mime": "image/png"},
    ]
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "1?1*"
    code_inspect_sample = "console"
    code_page_something = "?console"
    code_clear_output = "clearOutput()"


if __name__ == "__main__":
    del jupyter_kernel_test.KernelTests, jupyter_kernel_test.IopubWelcomeTests
    unittest.main(argv=[sys.argv[0], "-v"])
