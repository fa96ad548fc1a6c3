/* SPDX-License-Identifier: MIT */
/*
 * Models of grace periods that pollers push on.
 */
#include "model.hpp"

namespace
{

/* Two pollers, each with an object, and a reader. */
class pollers : public model_base
{
      public:
	pollers() : model_base(2, 1)
	{
	}
	void thread(unsigned int index)
	{
		if (index < 2) {
			object[index].unlink();
			uint64_t cookie = grace_cookie(&numbers);

			poll_until_over(0, cookie);
			object[index].release();
		} else {
			section(0, &object[0]);
			section(0, &object[1]);
			section(0, &object[0]);
		}
	}
};

/* Who took the cookie hands it to another, who asks and frees; a third pushes on as well. */
class handed : public model_base
{
      public:
	handed() : model_base(3, 1)
	{
	}
	void thread(unsigned int index)
	{
		uint64_t cookie;

		switch (index) {
		case 0:
			object[0].unlink();
			model_store(&flag, grace_cookie(&numbers), __ATOMIC_RELEASE, $);
			break;
		case 1:
			while (!(cookie = model_load(&flag, __ATOMIC_ACQUIRE, $)))
				rl::yield(1, $);
			poll_until_over(0, cookie);
			object[0].release();
			break;
		case 2:
			poll_once(0, 1);
			poll_once(0, 2);
			break;
		default:
			section(0, &object[0]);
			section(0, &object[0]);
		}
	}
};

/* One polls while another waits: either may find that the other's grace period covers it. */
class mixed : public model_base
{
      public:
	mixed() : model_base(2, 1)
	{
	}
	void thread(unsigned int index)
	{
		if (index == 0) {
			object[0].unlink();
			uint64_t cookie = grace_cookie(&numbers);

			poll_until_over(0, cookie);
			object[0].release();
		} else if (index == 1) {
			object[1].unlink();
			wait(0);
			object[1].release();
		} else {
			section(0, &object[0]);
			section(0, &object[1]);
			section(0, &object[0]);
		}
	}
};

/* A cookie taken inside a section is not over as long as the section lasts, whoever polls. */
class inside : public model_base
{
      public:
	inside() : model_base(1, 1)
	{
	}
	void thread(unsigned int index)
	{
		if (index != 1) {
			object[index / 2].unlink();
			uint64_t cookie = grace_cookie(&numbers);

			poll_until_over(0, cookie);
			object[index / 2].release();
			return;
		}
		sonde_domain_enter(&domain[0]);
		bool found = object[0].find();
		uint64_t cookie = grace_cookie(&numbers);

		RL_ASSERT(!poll_once(0, cookie));
		RL_ASSERT(!poll_once(0, cookie));
		if (found)
			object[0].use();
		sonde_domain_leave(&domain[0]);
	}
};

/* No membarrier: readers fence. */
class pollfences : public model_base
{
      public:
	pollfences() : model_base(1, 1, true)
	{
	}
	void thread(unsigned int index)
	{
		if (index != 1) {
			object[index / 2].unlink();
			uint64_t cookie = grace_cookie(&numbers);

			poll_until_over(0, cookie);
			object[index / 2].release();
		} else {
			section(0, &object[0]);
			section(0, &object[1]);
		}
	}
};

} // namespace

const struct model_entry model_polls[] = {
	{"pollers", "two pollers and a reader", 3, 100000, 2, model_make<pollers>},
	{"handed", "a cookie taken by one thread, polled by another", 4, 100000, 0,
	 model_make<handed>},
	{"mixed", "a poller beside a writer that waits", 3, 100000, 2, model_make<mixed>},
	{"inside", "a cookie taken inside a section", 3, 50000, 1, model_make<inside>},
	{"pollfences", "two pollers, without membarrier", 3, 50000, 1, model_make<pollfences>},
	{},
};
