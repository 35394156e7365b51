"""The linter: what a policy promises that cannot, or may not, be promised so.

Every rule is a function from what is examined to findings; `RULES` in `rules.py` lists them
all. A draft, where statements are missing, can be linted as well as a policy in force.
"""

from lethe_common.policy.lint.examined import Examined, Finding
from lethe_common.policy.lint.rules import RULES, lint, lint_file, lint_files, lint_folder

__all__ = ["RULES", "Examined", "Finding", "lint", "lint_file", "lint_files", "lint_folder"]
