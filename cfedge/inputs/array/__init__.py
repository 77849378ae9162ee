"""Arrays of one dtype and shape, for encoders that users bring: sound, sensors, features."""
