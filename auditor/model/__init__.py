"""The words everyone uses: objects, evidence, scope, verdicts, findings, controls, the result of an audit."""
