"""What a lane runner in another network and the centre say to each other."""
