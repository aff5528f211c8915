"""How the outside is reached from where this program runs: by which proxy, trusting whom, and in words if it fails."""
