"""Trials in a population, watched epoch by epoch."""

from __future__ import annotations


class Watched:
    """A trial in a population, with its weights at each epoch's end."""

    def __init__(self, population, trial, weights=None) -> None:
        self._population, self.epochs = population, []
        self.slot = population._next_free()
        self._running = population.running(*trial, self._look, weights)
        self.result = None
        self.resume()

    def _look(self, _metrics) -> bool:
        self.epochs.append(self._population.weights(self.slot))
        return False

    def resume(self) -> bool:
        """Has it ended?"""
        try:
            next(self._running)
        except StopIteration as end:
            self.result = end.value
        return self.result is not None

    def close(self) -> None:
        self._running.close()


def train(population, queue, weights=None):
    """Train a queue of trials, a new one as soon as a slot is free; return them all."""
    waiting, hands, ended = list(queue), [], []
    while waiting or hands:
        while waiting and population._free:
            hand = Watched(population, waiting.pop(0), weights)
            hands.append(hand)
            ended.append(hand)
        population.advance()
        hands = [hand for hand in hands if not hand.resume()]
    return ended
