"""The meter maker: tells of the meters that it delivers to the installer's stock."""
