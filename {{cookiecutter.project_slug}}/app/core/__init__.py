"""What every part of the service rests on; knows no resource."""
