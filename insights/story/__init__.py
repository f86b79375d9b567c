"""Stories: a week of a journey in words, every sentence of which rests on figures."""
