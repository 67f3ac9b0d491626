"""What an offline session hears and says in place of a room: recorded audio in, playout and its words out."""
