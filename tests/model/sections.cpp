/* SPDX-License-Identifier: MIT */
/*
 * Models of readers beside writers that wait.
 */
#include "model.hpp"

namespace
{

/* Two writers whose numbers race, one reader that goes in twice. */
class writers : public model_base
{
      public:
	writers() : model_base(2, 1)
	{
	}
	void thread(unsigned int index)
	{
		if (index < 2) {
			object[index].unlink();
			wait(0);
			object[index].release();
		} else {
			section(0, &object[0]);
			section(0, &object[1]);
			section(0, &object[0]);
		}
	}
};

/* Two readers, two writers, a writer with two objects one after the other. */
class crowd : public model_base
{
      public:
	crowd() : model_base(2, 2)
	{
	}
	void thread(unsigned int index)
	{
		if (index < 2) {
			object[index].unlink();
			wait(0);
			object[index].release();
		} else {
			section(0, &object[index - 2]);
			section(0, &object[3 - index]);
		}
	}
};

/* An object found in the outer section is used behind the inner one. */
class nested : public model_base
{
      public:
	nested() : model_base(1, 2)
	{
	}
	void thread(unsigned int index)
	{
		if (index == 0) {
			object[0].unlink();
			wait(0);
			object[0].release();
			return;
		}
		sonde_domain_enter(&domain[0]);
		bool found = object[0].find();
		section(0, &object[0]);
		if (found)
			object[0].use();
		sonde_domain_leave(&domain[0]);
		section(0, &object[0]);
	}
};

/* Sections of two domains overlap; one writer waits for one of them, one for both at once. */
class domains : public model_base
{
      public:
	domains() : model_base(2, 1)
	{
	}
	void thread(unsigned int index)
	{
		if (index < 2) {
			object[index].unlink();
			wait(0, index + 1);
			object[index].release();
			return;
		}
		sonde_domain_enter(&domain[1]);
		bool found = object[1].find();
		sonde_domain_enter(&domain[0]);
		if (found)
			object[1].use();
		sonde_domain_leave(&domain[1]);
		if (object[0].find())
			object[0].use();
		sonde_domain_leave(&domain[0]);
	}
};

/*
 * Whom a writer does not wait for: a reader that stays in another domain, and the next section of a
 * reader that it has met inside. Both last until the writer is done; if it waits, it never is.
 */
template <bool slow> class independent : public model_base
{
	enum { LOOKED = 1, OVER };

      public:
	independent() : model_base(1, 2, slow)
	{
	}
	void thread(unsigned int index)
	{
		if (index == 0) {
			object[0].unlink();
			wait(0);
			object[0].release();
			model_store(&flag, OVER, __ATOMIC_RELAXED, $);
			return;
		}
		if (index == 2) {
			sonde_domain_enter(&domain[0]);
			until(LOOKED);
			sonde_domain_leave(&domain[0]);
		}
		sonde_domain_enter(&domain[index == 1]);
		if (index == 2 && object[0].find())
			object[0].use();
		until(OVER);
		sonde_domain_leave(&domain[index == 1]);
	}

      private:
	void looked()
	{
		model_store(&flag, LOOKED, __ATOMIC_RELAXED, $);
	}
	void until(uint64_t step)
	{
		while (model_load(&flag, __ATOMIC_RELAXED, $) < step)
			rl::yield(1, $);
	}
};

/* No membarrier: readers fence, and always take the slow path. */
class fences : public model_base
{
      public:
	fences() : model_base(1, 2, true)
	{
	}
	void thread(unsigned int index)
	{
		if (index == 0) {
			object[0].unlink();
			wait(0);
			object[0].release();
		} else {
			section(0, &object[0]);
			section(0, &object[0]);
		}
	}
};

/* A signal handler with a section, between any two steps of the reader below it, and of itself. */
class signals : public model_base
{
      public:
	signals() : model_base(2, 1)
	{
		interrupt(2, 2, handler);
	}
	void thread(unsigned int index)
	{
		if (index < 2) {
			object[index].unlink();
			wait(0);
			object[index].release();
			return;
		}
		sonde_domain_enter(&domain[0]);
		bool found = object[1].find();
		section(0, &object[0]);
		if (found)
			object[1].use();
		sonde_domain_leave(&domain[0]);
	}

      private:
	static void handler(void *arg)
	{
		signals *m = (signals *)arg;

		m->section(0, &m->object[0]);
	}
};

} // namespace

const struct model_entry model_sections[] = {
	{"writers", "one reader, two writers whose numbers race", 3, 50000, 2, model_make<writers>},
	{"crowd", "two readers, two writers", 4, 100000, 1, model_make<crowd>},
	{"nested", "a section within a section", 3, 50000, 2, model_make<nested>},
	{"domains", "overlapping sections of two domains", 3, 50000, 2, model_make<domains>},
	{"independent", "whom a writer does not wait for", 3, 50000, 2,
	 model_make<independent<false>>},
	{"independentfences", "the same without membarrier", 3, 50000, 2,
	 model_make<independent<true>>},
	{"fences", "without membarrier", 3, 50000, 2, model_make<fences>},
	{"signals", "sections of a signal handler between any two steps", 3, 200000, 0,
	 model_make<signals>},
	{},
};
