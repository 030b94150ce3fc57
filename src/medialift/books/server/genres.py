"""Calibre's tags as the server's genres. A tag that is no genre is dropped: that is no error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# What people and shops write, in small letters, to a genre of a fresh server.
_TABLE = {
    "adventures": "Adventure",
    "action & adventure": "Adventure",
    "biographies": "Biography",
    "biography & autobiography": "Biography",
    "memoir": "Autobiography",
    "memoirs": "Autobiography",
    "business": "Business/Investing",
    "business & economics": "Business/Investing",
    "economics": "Business/Investing",
    "finance": "Business/Investing",
    "investing": "Business/Investing",
    "children": "Children's Books",
    "children's": "Children's Books",
    "childrens": "Children's Books",
    "juvenile": "Children's Books",
    "juvenile fiction": "Children's Books",
    "kids": "Children's Books",
    "computers": "Computers/Internet",
    "computer science": "Computers/Internet",
    "internet": "Computers/Internet",
    "programming": "Computers/Internet",
    "technology & engineering": "Technology",
    "cookbook": "Cooking/Food",
    "cookery": "Cooking/Food",
    "cooking": "Cooking/Food",
    "food": "Cooking/Food",
    "crime": "Crime/Mystery",
    "crime fiction": "Crime/Mystery",
    "detective": "Crime/Mystery",
    "detective and mystery stories": "Crime/Mystery",
    "mystery": "Crime/Mystery",
    "mystery & detective": "Crime/Mystery",
    "essays": "Essay",
    "general fiction": "Fiction",
    "literary fiction": "Fiction",
    "literature": "Fiction",
    "health & fitness": "Health",
    "medicine": "Health",
    "historical": "Historical Fiction",
    "historical novel": "Historical Fiction",
    "humor": "Humor/Satire",
    "humour": "Humor/Satire",
    "satire": "Humor/Satire",
    "nonfiction": "Non-Fiction",
    "non fiction": "Non-Fiction",
    "novel": "Novels",
    "drama": "Plays",
    "play": "Plays",
    "theatre": "Plays",
    "poems": "Poetry",
    "political": "Politics",
    "political science": "Politics",
    "religious": "Religion",
    "spirituality": "Religion",
    "love stories": "Romance",
    "romantic": "Romance",
    "sci-fi": "Science Fiction",
    "scifi": "Science Fiction",
    "sf": "Science Fiction",
    "science-fiction": "Science Fiction",
    "erotica": "Sexuality",
    "short stories": "Short Fiction",
    "short story": "Short Fiction",
    "sociology": "Social Sciences",
    "social science": "Social Sciences",
    "sport": "Sports",
    "sports & recreation": "Sports",
    "spy": "Espionage",
    "spy stories": "Espionage",
    "suspense": "Thriller",
    "thrillers": "Thriller",
    "travels": "Travel",
    "war stories": "War",
    "westerns": "Western",
    "education": "Educational",
    "textbook": "Educational",
    "young adult": "Youth's Books",
    "ya": "Youth's Books",
    "teen": "Youth's Books",
    "hobbies": "Hobby",
    "dystopia": "Post-catastrophic",
    "dystopian": "Post-catastrophic",
    "post-apocalyptic": "Post-catastrophic",
    "chick lit": "Women's Books",
    "women": "Women's Books",
    "fairy tales": "Fairy Tales And Myths",
    "mythology": "Fairy Tales And Myths",
    "myths": "Fairy Tales And Myths",
    "military science fiction": "Military SF",
    "comic": "Comics",
    "graphic novel": "Comics",
    "graphic novels": "Comics",
    "manga": "Comics",
    "magazines": "Magazine",
    "periodical": "Magazine",
    "arts": "Art",
    "mysticism": "Mystic",
    "alternate history": "Alternative",
}


def genres(tags: Iterable[str], known: Mapping[str, int], chosen: Mapping[str, str]) -> tuple[str, ...]:
    """The server's genres for a book's tags, each once, in the tags' order.

    Args:
        known: {name: id} of the server.
        chosen: a person's map, which goes before the one that is built in.
    """
    small = {name.lower(): name for name in known}
    mine = {tag.lower(): genre for tag, genre in chosen.items()}
    found: dict[str, None] = {}
    for tag in tags:
        # Calibre keeps trees as `Fiction.Crime` and shops write `Fiction / Crime`: the last part says most.
        whole = tag.strip().lower()
        for part in (whole, *(piece.strip() for piece in reversed(whole.replace("/", ".").split(".")))):
            genre = small.get(str(mine.get(part, "")).lower()) or small.get(part)
            genre = genre or small.get(_TABLE.get(part, "").lower())
            if genre:
                found[genre] = None
                break
    return tuple(found)
