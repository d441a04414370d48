// SPDX-License-Identifier: BSD-2-Clause
/* attach: which probes a binary gets, by what was asked for. */
#include "session_internal.h"

static void detach(struct session *session, struct binary *binary)
{
	for (unsigned i = 0; i < binary->nr_points; i++) {
		probe_set_remove(session->probes, binary->points[i]);
		session->points[binary->points[i]].kind = POINT_NONE;
	}
	binary->nr_points = 0;
}

/* A binary of which nobody is traced any more is not probed any more. */
void session_detach_unused(struct session *session, struct binary *binary)
{
	const struct process *process = session->named;

	while (process && (process->ended || process->binary != binary))
		process = process->next_named;
	if (!process && !binary->any)
		detach(session, binary);
}

static int add_point(const struct attachment *to, enum point_kind kind, uint64_t offset,
		     const struct gctap_capture *capture, struct failure *failure)
{
	/*
	 * By file, not by perf's own filter: that one hangs on the task that leads the process now, and an
	 * exec in another thread replaces it.
	 */
	struct probe_point point = {
		.exe_fd = to->fd, .file_offset = offset, .pid = -1, .pid_filter = to->pid_filter, .capture = *capture
	};
	uint32_t id;
	int error = probe_set_add(to->session->probes, &point, &id, failure);

	if (error)
		return error;
	to->session->points[id] = (struct point){ kind, to->binary };
	to->binary->points[to->binary->nr_points++] = id;
	return 0;
}

/* Two probes of one place are served in one trap; which one comes first is the kernel's affair. */
static int add_trigger_points(const struct attachment *to, struct failure *failure)
{
	struct trigger_plan *plan = &to->binary->trigger;
	int error = trigger_plan(to->binary->gobin, plan, failure);

	if (!error)
		error = add_point(to, POINT_TRIGGER, plan->file_offset, &plan->stack, failure);
	if (!error && plan->has_goal)
		error = add_point(to, POINT_GOAL, plan->file_offset, &plan->goal, failure);
	return error;
}

static int add_scavenge_points(const struct attachment *to, struct failure *failure)
{
	const struct scavenge_recipes *recipes = &to->binary->scavenge;
	struct gctap_capture capture;
	int error = binary_solve_scavenge(to->binary, failure);

	if (error)
		return error;
	recipe_capture(recipes->background, recipes->background->probe_address, &capture);
	error = add_point(to, POINT_SWEEP, recipes->background->probe_offset, &capture, failure);
	/* Without debug.FreeOSMemory in the program there is no forced line. */
	if (error || !recipes->forced)
		return error;
	recipe_capture(recipes->forced, recipes->forced->probe_address, &capture);
	return add_point(to, POINT_FORCED, recipes->forced->probe_offset, &capture, failure);
}

int session_attach(const struct attachment *to, struct failure *failure)
{
	const struct session_options *options = &to->session->options;
	const struct recipe *recipe = to->binary->recipe;
	struct gctap_capture capture;
	int error;

	if (to->binary->nr_points || !options->cycles)
		return 0;
	recipe_capture(recipe, recipe->probe_address, &capture);
	error = add_point(to, POINT_CYCLE, recipe->probe_offset, &capture, failure);
	for (unsigned i = 0; i < RECIPE_REREADS && options->on_reread && !error; i++) {
		if (!recipe->rereads[i].address)
			continue;
		recipe_capture(recipe, recipe->rereads[i].address, &capture);
		error = add_point(to, POINT_REREAD, recipe->rereads[i].offset, &capture, failure);
	}
	if (!error && options->trigger)
		error = add_trigger_points(to, failure);
	if (!error && options->scavenge)
		error = add_scavenge_points(to, failure);
	return error;
}
