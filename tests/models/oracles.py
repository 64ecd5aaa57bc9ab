"""The equations of recurrent and convolutional layers in NumPy float64, over one unpadded example."""

import numpy as np


def weights_of(layer):
    """A layer's weights in the order of Keras, as float64."""
    return [np.asarray(weight).astype(np.float64) for weight in layer.weights]


def shake(network, seed=0):
    """Every weight drawn anew, so that none is a start value that a wrong equation could hide behind."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        if "variance" in weight.path or weight.path.endswith("deviation"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif not weight.path.endswith("audio_share"):
            weight.assign(rng.normal(0, 0.3, weight.shape))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum()


def standardized(layer, x):
    mean, deviation = weights_of(layer)
    return (x.astype(np.float64) - mean) / deviation


def dense(layer, x):
    kernel, *bias = weights_of(layer)
    return x @ kernel + (bias[0] if bias else 0)


def lstm(weights, sequence):
    """Outputs [steps, units] of a textbook LSTM; gates in Keras's order i, f, c, o."""
    kernel, recurrent, bias = weights
    state, memory, outputs = np.zeros(len(recurrent)), np.zeros(len(recurrent)), []
    for x in sequence:
        i, f, candidate, o = np.split(x @ kernel + state @ recurrent + bias, 4)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(candidate)
        state = sigmoid(o) * np.tanh(memory)
        outputs.append(state)
    return np.array(outputs).reshape(-1, len(recurrent))


def gru_state(weights, sequence):
    """The last state [units] of a GRU whose reset gate acts after the product (cuDNN's), gates z, r, h."""
    kernel, recurrent, (input_bias, recurrent_bias) = weights
    state = np.zeros(len(recurrent))
    for x in sequence:
        xz, xr, xh = np.split(x @ kernel + input_bias, 3)
        hz, hr, hh = np.split(state @ recurrent + recurrent_bias, 3)
        update, reset = sigmoid(xz + hz), sigmoid(xr + hr)
        state = update * state + (1 - update) * np.tanh(xh + reset * hh)
    return state


def bidirectional_lstm(layer, sequence):
    """Outputs [steps, 2 units] and the last states of both directions [2 units]."""
    weights = weights_of(layer)
    forward, backward = lstm(weights[:3], sequence), lstm(weights[3:], sequence[::-1])
    if not len(sequence):
        return np.hstack([forward, backward]), np.zeros(2 * forward.shape[1])
    return np.hstack([forward, backward[::-1]]), np.concatenate([forward[-1], backward[-1]])


def hop(query, outputs):
    """The mean of outputs weighted by the softmax of their dot products with the query; zeros of nothing."""
    return softmax(outputs @ query) @ outputs if len(outputs) else np.zeros_like(query)


def batch_normalization(layer, x):
    """With moving statistics; channels last."""
    gamma, beta, mean, variance = weights_of(layer)
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def convolution(layer, picture):
    """4x4, stride 1, after a border of one zero: [frames, bins, channels in] to [frames - 1, bins - 1, out]."""
    kernel, bias = weights_of(layer)
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)))
    frames, bins = padded.shape[0] - 3, padded.shape[1] - 3
    summed = np.zeros((frames, bins, kernel.shape[3])) + bias
    for i in range(4):
        for j in range(4):
            summed += padded[i : i + frames, j : j + bins] @ kernel[i, j]
    return summed


def max_pool(picture):
    """2x2 with stride 2; a last odd row or column is left out."""
    frames, bins, channels = picture.shape[0] // 2, picture.shape[1] // 2, picture.shape[2]
    return picture[: 2 * frames, : 2 * bins].reshape(frames, 2, bins, 2, channels).max(axis=(1, 3))


def dual_sequence_lstm(layer, xs, ys, statistics=None):
    """States [batch, steps, units] of Wang et al.'s cell over pairs of steps, [batch, steps, units] each.

    Gates are normalised by the moving statistics, or, with a list for `statistics`, by the batch, whose mean and
    variance of each step are appended to it.
    """
    gate_kernel, gate_bias, x_kernel, x_bias, y_kernel, y_bias, scale, offset, means, variances = weights_of(layer)
    h = c = np.zeros((len(xs), layer.units))
    outputs = []
    for step in range(xs.shape[1]):
        x, y = xs[:, step], ys[:, step]
        gates = sigmoid(np.hstack([x, y, h]) @ gate_kernel + gate_bias)
        mean, variance = means[step], variances[step]
        if statistics is not None:
            mean, variance = gates.mean(axis=0), gates.var(axis=0)
            statistics.append((mean, variance))
        gates = (gates - mean) / np.sqrt(variance + 1e-5) * scale + offset
        f, i1, o, i2 = np.split(gates, 4, axis=1)
        x_candidate = np.tanh(np.hstack([x, h]) @ x_kernel + x_bias)
        y_candidate = np.tanh(np.hstack([y, h]) @ y_kernel + y_bias)
        c = f * c + i1 * x_candidate + i2 * y_candidate
        h = o * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)
