"""A package, since other worlds have tests of the same names."""
