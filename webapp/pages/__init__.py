"""The pages that people see, a blueprint each."""
