"""The jobs' training steps with gradients derived by hand: what `gradient` is measured by, in
numbers and in cost."""

from __future__ import annotations

from typing import Any

from party.jobs import cnn, logreg, mlp, seed, xor
from protocol import structural
from protocol.ops import avg_pool2d, conv2d, polynomial, relu, sigmoid
from protocol.ops.structure import seen


class Seed(seed.Seed):
    def step(self, v: Any) -> None:
        out = sigmoid(v.x @ v.w)
        v.w += v.x.T @ ((v.y - out) * out * (1 - out))


class Xor(xor.Xor):
    def step(self, v: Any) -> None:
        l1 = polynomial(v.x @ v.w0, xor.SIGMOID, limit=10)
        l2 = polynomial(l1 @ v.w1, xor.SIGMOID, limit=10)
        l2_delta = (v.y - l2) * l2 * (1 - l2)
        l1_delta = (l2_delta @ v.w1.T) * l1 * (1 - l1)
        v.w1 += l1.T @ l2_delta
        v.w0 += v.x.T @ l1_delta


class Logreg(logreg.Logreg):
    def step(self, v: Any) -> None:
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        error = sigmoid(x @ v.w, self.method) - y
        v.w -= (self.rate / self.batch) * (x.T @ error)


class Mlp(mlp.Mlp):
    def step(self, v: Any) -> None:
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        z0 = x @ v.w0 + v.b0
        h0 = relu(z0)
        z1 = h0 @ v.w1 + v.b1
        h1 = relu(z1)
        d2 = h1 @ v.w2 + v.b2 - y
        d1 = (z1 >= 0) * (d2 @ v.w2.T)
        d0 = (z0 >= 0) * (d1 @ v.w1.T)
        rate = self.rate / self.batch
        for name, gradient in {
            "w2": h1.T @ d2, "b2": d2.sum(axis=0),
            "w1": h0.T @ d1, "b1": d1.sum(axis=0),
            "w0": x.T @ d0, "b0": d0.sum(axis=0),
        }.items():  # fmt: skip
            v[name] -= rate * gradient


class Cnn(cnn.Cnn):
    def step(self, v: Any) -> None:
        x, y = v.x.minibatch(self.batch), v.y.minibatch(self.batch)
        pixels = conv2d(x, v.k, stride=2)
        z = avg_pool2d(pixels, 2) + v.c
        flat = relu(z).reshape(self.batch, -1)
        error = flat @ v.w + v.b - y
        d = (z >= 0) * (error @ v.w.T).reshape(z.shape)
        rate = self.rate / self.batch
        v.w -= rate * (flat.T @ error)
        v.b -= rate * error.sum(axis=0)
        n, channels, height, width = d.shape
        each = (
            (d / 4)
            .reshape(n, channels, height, 1, width, 1)
            .broadcast_to((n, channels, height, 2, width, 2))
        )
        spread = each.reshape(pixels.shape).transpose(1, 0, 2, 3).reshape(channels, -1)
        windows = (
            seen(x, structural.windows(x.shape, (5, 5), (2, 2)))
            .transpose((0, 2, 3, 1, 4, 5))
            .reshape((-1, 25))
        )
        v.k -= rate * (spread @ windows).reshape(v.k.shape)
        v.c -= rate * d.sum(axis=(0, 2, 3)).reshape(8, 1, 1)


JOBS = {"seed": Seed, "xor": Xor, "logreg": Logreg, "mlp": Mlp, "cnn": Cnn}
