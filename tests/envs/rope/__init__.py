"""Tests of gbplan/Rope-v0."""
