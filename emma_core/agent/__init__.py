"""The agent: what it is told before it speaks, and what of its words leaves the house."""

from emma_core.agent.briefing import brief, prompt
from emma_core.agent.keeping import Kept
from emma_core.agent.speaking import Spoken, speak

__all__ = ["Kept", "Spoken", "brief", "prompt", "speak"]
