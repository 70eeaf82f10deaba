"""What is read from Kafka, and how."""

from yizhan_contracts.events import VoiceRequested
from yizhan_contracts.topics import VOICE_REQUESTED
from yizhan_runtime.records import contract
from yizhan_runtime.window import WindowRoute

ROUTES = [WindowRoute((VOICE_REQUESTED.name,), contract(VoiceRequested))]
"""Calls that are asked for."""
