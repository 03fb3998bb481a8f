"""The planner: a system of the company that plans work in the network and asks for cuts."""
