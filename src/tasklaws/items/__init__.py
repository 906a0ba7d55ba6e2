"""How hard an item is: item response with explanations, so that items no model has solved yet get a difficulty too."""
