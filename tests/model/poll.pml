/* SPDX-License-Identifier: MIT */
/*
 * The machine of grace_poll() in src/sync/grace.h: two pollers, two readers, one poll more when they are done, every interleaving.
 * Memory order is the business of the other models, here all is sequentially consistent.
 *
 *  1. A poller that is told "over" finds no section open that was open when it took its cookie.
 *  2. A grace period that has begun is finished before another begins.
 *  3. When nobody is inside and nobody holds the lock, the first question is answered "over".
 *
 * Mutants, by -D: ACCEPT GIVEUP NOLOCK ONCE KEEP ANYLEFT
 */
#define POLLERS 2
#define READERS 2

byte numbers, number, done, lock;
byte section[READERS]; /* count; bit 7: inside */
byte met[READERS];     /* what was seen inside, or 0 */
bool begun;	       /* 2 */
byte ended;

#define INSIDE 128

/* grace_look() of each word, after the fence */
inline begin()
{
	assert(!begun); /* 2 */
	begun = true;
	j = 0;
	do
	:: j < READERS -> met[j] = (section[j] >= INSIDE -> section[j] : 0); j++
	:: else -> break
	od
}

/* grace_left() of each that was met: whether it is over, in `ok` */
inline over()
{
	ok = true;
	j = 0;
	do
	:: j < READERS && met[j] && met[j] != section[j] ->
		met[j] = 0; j++
#ifdef ANYLEFT
		break
#endif
	:: j < READERS && met[j] && met[j] == section[j] -> ok = false; break
	:: j < READERS && !met[j] -> j++
	:: else -> break
	od
}

/* The answer in `ok`. */
inline poll()
{
	i = 0;
	if
	:: done >= cookie -> ok = true; goto told
	:: else
	fi;
#ifndef NOLOCK
	atomic {
		if
		:: lock -> ok = false; goto told
		:: else -> lock = 1
		fi
	}
#endif
	do
#ifdef ONCE
	:: i < 1 && done < cookie ->
#else
	:: i < 2 && done < cookie ->
#endif
		i++;
		n = number;
#ifdef GIVEUP
		if
		:: n && n < cookie -> n = 0
		:: else
		fi;
#endif
		if
		:: !n ->
			atomic { numbers++; n = numbers };
			begin();
			number = n
		:: else
		fi;
		over();
		if
		:: !ok -> break
		:: else
		fi;
#ifndef KEEP
		number = 0;
#endif
		begun = false;
		atomic {
			if
			:: done < n -> done = n
			:: else
			fi
		}
	:: else -> break
	od;
	lock = 0;
	ok = done >= cookie;
told:	atomic { n = 0; i = 0; j = 0 }
}

inline take_cookie()
{
#ifdef ACCEPT
	cookie = numbers
#else
	cookie = numbers + 1
#endif
}

/* The first has one section, the second two. */
proctype reader(byte me)
{
	byte k;

	for (k : 0 .. me) {
		section[me] = section[me] + INSIDE;
		section[me] = section[me] - INSIDE + 1
	}
	ended++
}

proctype poller()
{
	byte cookie, n, i, j, open[READERS];
	bool ok;

	d_step {
		take_cookie();
		j = 0;
		do
		:: j < READERS -> open[j] = (section[j] >= INSIDE -> section[j] : 0); j++
		:: else -> break
		od
	}
	poll();
	d_step {
		j = 0;
		do
		:: j < READERS ->
			assert(!ok || !open[j] || open[j] != section[j]); /* 1 */
			j++
		:: else -> break
		od;
		ended++
	}
}

/* 3: after all others */
proctype last()
{
	byte cookie, n, i, j;
	bool ok;

	ended == POLLERS + READERS;
	take_cookie();
	poll();
	assert(ok)
}

init {
	byte k;

	atomic {
		for (k : 0 .. READERS - 1) {
			run reader(k)
		}
		for (k : 1 .. POLLERS) {
			run poller()
		}
		run last()
	}
}
