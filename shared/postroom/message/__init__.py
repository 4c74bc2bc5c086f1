"""What is sent: addresses, the letter as it was asked for, its bytes, its signature. Pure: nothing asks the world.

- `address.py`: one mailbox, parsed once; what was parsed is what the envelope carries
- `letter.py`: the letter an application asked for, and its stored form
- `attachment.py`: a file that travels along
- `header.py`: which header fields may be written, and how they are folded
- `words.py`: text beyond ASCII inside header fields
- `transfer.py`: bodies as lines that any server carries
- `mime.py`: the letter as bytes, the same bytes each time
- `dkim.py`: the signature
"""
