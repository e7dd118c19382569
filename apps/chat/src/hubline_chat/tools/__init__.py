"""What the assistant can use: a calculator, the search of its room, and the tools of MCP servers."""
