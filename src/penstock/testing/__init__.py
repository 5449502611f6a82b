"""What users test their own code and elements with: conformance suites, fakes, made-up events."""
