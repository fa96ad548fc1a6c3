/* SPDX-License-Identifier: MIT */
/*
 * Who owns a thread's record: src/sync/slot.c. One record; three threads under two ids, the first of
 * which is given out twice; each may end at any step. Two writers wait for it. All of it
 * sequentially consistent.
 *
 *  1. A record is one living thread's at most.
 *  2. The word of a living thread that is inside is not changed by anybody else.
 *  3. No writer waits for ever, nor for a section that began after it had looked. Here it waits only
 *     for what will come: one that waits for nothing is a deadlock, which Spin reports.
 *
 * Lines quoted from the source as `slot.c: ...` must be there: spin.py looks.
 *
 * Mutants, by -D: NOGENERATION NOSINCE NOCAS STORE EARLY NOCLEAR FORGET NOLOOK NOREUSE NOHEIR
 */
#define IDS 2
#define WRITERS 2

#define NEVER 0 /* 1 .. IDS: a thread's id */
#define FREE 10
#define CLEANING 11

byte owner, generation; /* one word in the source: read and changed together */
bool cleaner; /* who is clearing it lives */
byte since, clock;
bool inside;
byte count; /* of the word */
bool drawn; /* the record's index, from nused */

bool alive[IDS + 1];
byte born[IDS + 1];
byte waiting, over; /* writers that have met the reader; that are done */
byte users; /* living threads that think it theirs */

#define IS_THREAD(who) ((who) >= 1 && (who) <= IDS)
#define LEFT(seen) (!inside || count != (seen))
#ifdef NOGENERATION
#define NEXT(g) 0
#else
#define NEXT(g) ((g) + 1)
#endif
/* slot.c: return state == 'Z' || state == 'X' || (since && start > since); */
#ifdef NOREUSE
#define GONE(id) false
#else
#define GONE(id) (since && born[id] > since)
#endif

/* A thread may end here, in any way. */
#define MORTAL if :: true :: goto dead fi

/* slot_free() */
inline free_slot()
{
#ifndef EARLY
	clear();
#endif
#ifndef NOSINCE
	/* slot.c: store_relaxed(&slot->since, (uint64_t)0); */
	since = 0;
#endif
	/* slot.c: store_release(&slot->owner, owner_next(load_relaxed(&slot->owner), SLOT_FREE)); */
	d_step { owner = FREE; generation = NEXT(generation) };
#ifdef EARLY
	clear();
#endif
}

inline clear()
{
#ifdef NOCLEAR
	skip
#else
	/* slot.c: store_release(word, (v | SONDE_READER_DEPTH) + 1); */
	if
#ifdef FORGET
	:: d_step { inside -> inside = false; count = 0 }
#else
	:: d_step { inside -> inside = false; count++ }
#endif
	:: else
	fi
#endif
}

/* sync_slot_clean(); @long: whoever calls has waited for long */
inline clean(long)
{
	/* slot.c: uint64_t owner = load_acquire(&slot->owner); */
	d_step { o = owner; g = generation };
	if
	:: IS_THREAD(o) ->
#ifndef NOLOOK
		/* slot.c: (waited < REUSE_AFTER || !is_gone(tid, since)); */
		if
		:: !alive[o]
		:: alive[o] && long && GONE(o)
		:: alive[o] && !(long && GONE(o)) -> goto cleaned
		fi
#endif
	/* slot.c: if (cleaning ? is_alive(SLOT_CLEANING(who), waited, 0) */
	:: o == CLEANING ->
#ifdef NOHEIR
		goto cleaned
#else
		if
		:: cleaner -> goto cleaned
		:: !cleaner
		fi
#endif
	:: else -> goto cleaned
	fi;
		/* slot.c: if (cas_acq_rel(&slot->owner, &owner, owner_next(owner, who))) { */
#ifdef STORE
		d_step { owner = CLEANING; generation = NEXT(generation) };
		free_slot();
#else
		atomic {
			if
			:: owner == o && generation == g ->
				owner = CLEANING;
				cleaner = true;
				generation = NEXT(generation)
			:: else -> goto cleaned
			fi
		}
		if
		:: true
		:: cleaner = false; goto dead
		fi;
		free_slot();
#endif
cleaned: atomic { o = 0; g = 0 }
}

proctype thread(byte id)
{
	byte o, g, life, mine;
	bool self, late;

	for (life : id .. IDS) {
		d_step { alive[id] = true; clock++; born[id] = clock; self = false };

		/* slot_find(): slot_take() */
		if
		:: drawn ->
			d_step { o = owner; g = generation };
			/* slot.c: if (sync_owner(owner) && sync_owner(owner) != tid && sync_slot_clean(slot, 0)) */
			if
			:: o && o != id ->
				clean(false);
				d_step { o = owner; g = generation }
			:: else
			fi;
			MORTAL;
			/* slot.c: return cas_acq_rel(&slot->owner, &owner, owner_next(owner, tid)); */
			if
			:: o != FREE -> goto stays
			:: else
			fi;
#ifdef NOCAS
			d_step { owner = id; generation = NEXT(generation) }
#else
			atomic {
				if
				:: owner == o && generation == g ->
					owner = id;
					generation = NEXT(generation)
				:: else -> goto stays
				fi
			}
#endif
		:: atomic { !drawn -> drawn = true };
			MORTAL;
			/* slot.c: store_release(&arena->slot[i].owner, owner_next(0, tid)); */
			d_step { owner = id; generation = NEXT(0) }
		fi;
		MORTAL;

		/* slot_claim(); a signal handler may have been quicker */
		since = clock;
		MORTAL;
		if
		:: free_slot(); goto stays
		:: true
		fi;
		d_step { self = true; users++; assert(users == 1) }; /* 1 */
		MORTAL;

		d_step { inside = true; mine = count; late = waiting == WRITERS };
		MORTAL;
		/* a section that began after all looks may wait for the writers */
		if
		:: late -> over == WRITERS
		:: else
		fi;
		d_step { assert(inside && count == mine); inside = false; count++ }; /* 2 */
stays:	if
		:: goto dead
		:: true -> /* for good, outside */
end_alive:	false
		fi;
dead:	skip;
		d_step {
			alive[id] = false;
			users = users - (self -> 1 : 0);
			self = false;
			o = 0; g = 0; mine = 0; late = false
		}
	}
}

proctype writer()
{
	byte o, g, seen;

	do
	:: !inside -> break
	:: d_step { inside -> seen = count; waiting++ };
		do
		:: LEFT(seen) -> break
		/* the reader will go on, or it is dead and can be cleaned; or somebody does that */
		:: !LEFT(seen) && IS_THREAD(owner) && (!alive[owner] || GONE(owner)) -> clean(true)
#ifndef NOHEIR
		:: !LEFT(seen) && owner == CLEANING && !cleaner -> clean(true)
#endif
#ifdef NOLOOK
		:: !LEFT(seen) && IS_THREAD(owner) -> clean(true)
#endif
		od;
		break
	od;
dead:	over++
}

init {
	byte k;

	atomic {
		for (k : 1 .. IDS) {
			run thread(k)
		}
		for (k : 1 .. WRITERS) {
			run writer()
		}
	}
}
