"""The agent: what it is told before it speaks, and what of its words leaves the house."""

from emma_core.agent.briefing import brief, prompt
from emma_core.agent.speaking import Spoken, speak

__all__ = ["Spoken", "brief", "prompt", "speak"]
