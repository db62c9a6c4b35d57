"""The first request's gradient answered by UM-Bridge's own Python server: a peer of tests/bench/http. The derivative is
written by hand, so that what is measured is the server.

    http_umbridge.py PORT"""

import sys

import umbridge


class First(umbridge.Model):
    def __init__(self):
        super().__init__("forward")

    def get_input_sizes(self, config):
        return [2]

    def get_output_sizes(self, config):
        return [1]

    def supports_gradient(self):
        return True

    def gradient(self, out_wrt, in_wrt, parameters, sens, config):
        x1, x2 = parameters[0]
        return [sens[0] * x2**2, sens[0] * 2 * (x1 + config["plus"]) * x2]


umbridge.serve_models([First()], int(sys.argv[1]))
