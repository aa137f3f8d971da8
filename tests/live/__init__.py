"""The real parts that live imagery is tested against: an archive, its web server, its STAC API."""
