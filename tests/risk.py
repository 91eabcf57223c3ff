"""A training whose model stays shared: a file that parties are given, and a class."""

from protocol.jobs import Input
from protocol.nn import SGD, BinaryCrossEntropy, Dense, ReLU, Sequential, Training


class Risk(Training):
    x = Input("bob", (40, 3), -1, 1)
    y = Input("bob", (40, 1), 0, 1)
    model = Sequential(Dense(3, 4), ReLU(), Dense(4, 1), owner="alice")
    loss = BinaryCrossEntropy()
    optimiser = SGD(lr=0.1, momentum=0.9)
    batch, epochs, weights, shuffle = 20, 2, "none", False
