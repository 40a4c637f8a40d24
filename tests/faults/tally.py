"""What came of the trials of one fault in one step."""

from dataclasses import dataclass, field


@dataclass
class Tally:
    """trials: faults that hit the step. facts: what else was counted. losses: a sentence for each thing lost."""

    fault: str
    step: str
    trials: int = 0
    facts: dict[str, int] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)

    def count(self, fact: str, number: int = 1) -> None:
        """Count something that is no loss."""
        self.facts[fact] = self.facts.get(fact, 0) + number

    def lost(self, sentence: str) -> None:
        """Note a loss."""
        self.losses.append(f"{self.fault}, {self.step}, trial {self.trials}: {sentence}")

    def __str__(self) -> str:
        facts = "".join(f", {name} {number}" for name, number in self.facts.items())
        return f"{self.fault}, {self.step}: {self.trials} trials{facts}, {len(self.losses)} losses"
