/* SPDX-License-Identifier: MIT */
/*
 * What the models have in common: the shared words of two domains, objects that die, and a
 * writer that waits as sonde_domains_wait() does.
 *
 * Objects are unlinked and found by relaxed accesses, weaker than users are asked for: all order
 * comes from the protocol.
 */
#ifndef MODEL_MODEL_HPP
#define MODEL_MODEL_HPP

#include "layer.hpp"

#define MODEL_OBJECTS 2
#define MODEL_DOMAINS 2

/* Found through `linked`; `alive` is plain memory, whose races Relacy reports. */
struct model_object {
	rl::atomic<uint64_t> linked;
	rl::var<int> alive;

	model_object()
	{
		linked.store(1, rl::mo_relaxed, $);
		alive($) = 1;
	}
	bool find()
	{
		return model_load(&linked, __ATOMIC_RELAXED, $);
	}
	void use()
	{
		model_pause();
		RL_ASSERT(alive($) == 1);
	}
	void unlink()
	{
		model_store(&linked, 0, __ATOMIC_RELAXED, $);
	}
	void release()
	{
		model_pause();
		alive($) = 0;
	}
};

class model_base
{
      public:
	model_base(unsigned int first_reader, unsigned int readers, bool slow = false);
	virtual ~model_base()
	{
	}
	virtual void thread(unsigned int index) = 0;

	/* grace_ops; the argument is the domain */
	static bool poll_begin(void *domain);
	static bool poll_over(void *domain);

	sonde_word numbers;
	struct sonde_domain domain[MODEL_DOMAINS];
	struct grace_poll poll[MODEL_DOMAINS];
	sonde_word poll_lock[MODEL_DOMAINS];
	rl::var<uint64_t> met[MODEL_THREADS][MODEL_DOMAINS]; /* under the poll lock */
	struct sonde_reader record[MODEL_THREADS];
	struct model_object object[MODEL_OBJECTS];
	rl::atomic<uint64_t> flag; /* for the model's own ends, always relaxed */

      protected:
	void wait(unsigned int first_domain, unsigned int domains = 1);
	bool poll_once(unsigned int d, uint64_t cookie);
	void poll_until_over(unsigned int d, uint64_t cookie);
	void section(unsigned int d, struct model_object *o);
	void interrupt(unsigned int thread, unsigned int signals, void (*handler)(void *arg));
	virtual void looked()
	{
	}
};

#define MODEL_SIZE 65536

/* Relacy counts what is on the heap; models are not. */
template <class T> model_base *model_make(void *room)
{
	static_assert(sizeof(T) <= MODEL_SIZE, "");
	return new (room) T();
}

/* One that can be run by name. */
struct model_entry {
	const char *name, *about;
	unsigned int threads;
	uint64_t iterations; /* of the random search, in every test run */
	unsigned int bound;  /* of thread switches, in a search through all; 0: random only */
	model_base *(*make)(void *room);
};

extern const struct model_entry model_sections[], model_polls[]; /* end with name NULL */

#endif
