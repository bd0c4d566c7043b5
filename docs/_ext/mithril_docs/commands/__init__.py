"""What nox calls beside the straight line: the render as a whole, and servers for writers."""

#: Each command and the module whose ``main`` it is.
COMMANDS = {
    "execute": "execute.pages",
    "models": "models.run",
    "speed": "models.speed",
    "conform": "conformance.run",
    "conformance": "commands.conformance",
    "gate": "gate.run",
    "npm": "commands.npm",
    "render": "commands.render",
    "lab": "commands.lab",
    "serve": "commands.serve",
}
