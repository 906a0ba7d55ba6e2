"""Laws: forms that scores may follow along scale, and fits that say how far to trust them."""
