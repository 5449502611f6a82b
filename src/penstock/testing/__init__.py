"""What users test their own code and elements with: conformance suites, fakes, made-up events."""

from penstock.testing.cut_independence import assert_cut_independent, make_batch
from penstock.testing.decoder_tests import DecoderTests
from penstock.testing.made_up_event import make_event, make_message
from penstock.testing.manual_clock import ManualClock
from penstock.testing.virtual_loop import VirtualLoop, run_virtually
from penstock.testing.virtual_time import VirtualTime

__all__ = [
    "DecoderTests",
    "ManualClock",
    "VirtualLoop",
    "VirtualTime",
    "assert_cut_independent",
    "make_batch",
    "make_event",
    "make_message",
    "run_virtually",
]
