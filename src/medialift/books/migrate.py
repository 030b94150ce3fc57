"""How one Calibre book gets into MyBookshelf2 exactly once, whatever happens in between.

An item of the ledger is a book; each of its formats is a file. The server gives no help: nothing there is
unique, no request that changes something may be repeated blindly, and there is no way to take a request back.
So before every such request the ledger holds what is about to happen, and whoever finds the item there later
looks at the server before doing it again. Every write is fenced by the lease of the item (`writes.py`), and
right before every request that changes something the lease is asked for by the clock (`crew.held`): a worker
that was frozen does nothing more.

    step of a file   in the ledger before it           what the next worker does who finds it there
    ---------------  --------------------------------  --------------------------------------------------
    (a) content      nothing                           begins: hashes the file, claims (server, sha1, size)
                                                       in one statement. A claim lasts as long as the lease
                                                       of its item
    (b) check        'claimed', upload_name            asks the server whether it has the content, sends it
    (c) upload                                         if not. An upload whose answer was lost lies in a
                                                       folder of the server under `upload_name`. Where its
                                                       data folder is in reach it is found by that name and
                                                       used; else it is sent again, and the first one stays
                                                       there, known to nobody
    (d) metadata     'sent', server_file, upload_mark  looks among the server's upload rows with a number
                                                       above upload_mark for the one of server_file; calls
                                                       the task only when there is none
    (e) ebook        'described', upload_id; claims    claims the identities; finds the ebook by exact title
                     on (title, last name) each        and one common last name; makes it if there is none
    (f) add-upload   'described', ebook_id; the        asks the server whether it has the content now: then
                     ebook 'present'                   it was done. Else does it. 404: the upload or the
                                                       ebook is gone, so back to (b) or to (e)
    (g) end          file 'uploaded', 'there' …;       nothing: the file is passed over. With the last file
                     content 'present'; item done      the item is done, in the same transaction

A content that another live worker has claimed is waited for, then its book is put off for some seconds; the
attempt does not count. Identities are held for no longer than it takes to find or make an ebook, and whoever
holds some waits for no content: so there is no circle to wait in. Whoever does not get all of his identities
keeps none.

"File already exists" at (f) means that somebody else brought the content meanwhile. An ebook that we made for
it and that nothing went into is deleted at the end of the book, under its claim, so that nobody attaches
something to it in that moment.

All files of a book go into one ebook: the first of them decides which, the others find its identity in the
ledger. Files of other Calibre books with the same title and a common author go there as well, as the server's
own command line does it.
"""
