"""How each listed operator transforms facts about its tensors, and when its results are not proven.

Bounds decide most of it. Sums of integers are exact in float32, in which OpenVINO may compute them, up to 2^24. NaN and
infinities come from inputs, which guards keep away, or from functions outside their domain, which the bounds exclude.
"""
