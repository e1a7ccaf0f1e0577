"""Tests of gbplan/FetchPush-v0."""
