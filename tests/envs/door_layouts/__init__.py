"""Tests of gbplan/DoorLayouts-v0."""
