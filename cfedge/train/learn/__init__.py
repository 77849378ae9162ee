"""Learn one task: an adapter and a head on the tail with torch, or a head in closed form without it."""
