// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>

#include "picture_draw.h"

/* JSON within a page: nothing in it can end the element that it is in. */
static void append_embedded(struct line *line, const struct line *json)
{
	for (size_t i = 0; i < json->length; i++) {
		char byte = json->bytes[i];

		if (byte == '<' || byte == '>' || byte == '&')
			picture_append_format(line, "\\u%04x", byte);
		else
			line_append_byte(line, byte);
	}
}

static void append_data(struct line *line, const struct picture *picture, const struct picture_title *title)
{
	struct line json = { 0 };

	picture_append_json(&json, picture, title);
	line_append_string(line, "<script type=\"application/json\" id=\"data\">");
	if (json.error)
		line->error = json.error;
	else
		append_embedded(line, &json);
	line_append_string(line, "</script>\n");
	free(json.bytes);
}

static void append_tones(struct line *line)
{
	static const char *const in_use[] = { "in_use_75", "in_use_50", "in_use_25", "in_use_0" };

	line_append_string(line, "<script type=\"application/json\" id=\"tones\">{");
	for (unsigned i = 0; i < PICTURE_TONES; i++) {
		const struct picture_paint *paint = &picture_paints[i];
		const char *name =
			i < PICTURE_TONE_OTHERS ? in_use[i] : picture_shade_name(i - PICTURE_TONE_OTHERS + 1);

		picture_append_format(line, "%s\"%s\":[\"%s\",\"%s\"]", i ? "," : "", name, paint->light, paint->dark);
	}
	line_append_string(line, "}</script>\n");
}

void picture_append_html(struct line *line, const struct picture *picture, const struct picture_title *title)
{
	line_append_string(line, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
				 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
				 "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
				 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
	picture_append_format(line, "<title>Memory of %d (", title->pid);
	picture_append_markup(line, title->comm);
	line_append_string(line, ")</title>\n<style>\n");
	line_append_string(line, picture_page_style);
	line_append_string(line, "</style>\n");
	line_append_string(line, picture_page_body);
	append_data(line, picture, title);
	append_tones(line);
	line_append_string(line, "<script>\n");
	line_append_string(line, picture_page_script);
	line_append_string(line, "</script>\n</html>\n");
}
