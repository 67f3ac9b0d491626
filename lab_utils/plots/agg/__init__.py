"""How matplotlib draws here: axes and pixels, without what it spends most of its time on."""
