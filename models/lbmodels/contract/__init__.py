# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server and the models agree on, declared here and nowhere else. NumPy only; knows neither of them."""
