"""The processes of one machine: `postroom dev` and `postroom serve`. Stands above the wiring; holds no state."""
