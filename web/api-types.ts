// Made from the OpenAPI document by api-types.test.ts.
export interface paths {
    "/v1/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Bases and adapters */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description OpenAI's answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models/{model}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One model */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    model: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description OpenAI's answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Chat with a base, an adapter or a mix */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        /** @description A base, `owner/name`, `owner/name@3`, or a mix such as `owner/a:0.7+owner/b:0.3` */
                        model: string;
                        temperature?: number | null;
                        top_p?: number | null;
                        /** @description -1 or 0: of all tokens */
                        top_k?: number | null;
                        /** @description Tokens of at least this part of the likeliest one’s probability */
                        min_p?: number | null;
                        /** @description Where given, the same request draws the same tokens again */
                        seed?: number | null;
                        frequency_penalty?: number | null;
                        presence_penalty?: number | null;
                        /** @description By token id */
                        logit_bias?: {
                            [key: string]: number;
                        } | null;
                        stop?: string | string[] | null;
                        n?: number | null;
                        stream?: boolean | null;
                        stream_options?: ({
                            include_usage?: boolean | null;
                        } & {
                            [key: string]: unknown;
                        }) | null;
                        max_tokens?: number | null;
                        messages: {
                            /** @enum {string} */
                            role: "system" | "developer" | "user" | "assistant" | "tool";
                            content?: string | {
                                /** @enum {string} */
                                type: "text";
                                text: string;
                            }[] | null;
                            name?: string;
                            tool_calls?: unknown[] | null;
                        }[];
                        /** @description Its newer name; it comes before `max_tokens` */
                        max_completion_tokens?: number | null;
                        logprobs?: boolean | null;
                        top_logprobs?: number | null;
                        response_format?: {
                            /** @enum {string} */
                            type: "text";
                        } | {
                            /** @enum {string} */
                            type: "json_object";
                        } | {
                            /** @enum {string} */
                            type: "json_schema";
                            json_schema: {
                                name: string;
                                description?: string | null;
                                schema?: {
                                    [key: string]: unknown;
                                } | null;
                                strict?: boolean | null;
                            };
                        } | null;
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            responses: {
                /** @description OpenAI's answer; server-sent events where `stream` is true */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Continue a text */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        /** @description A base, `owner/name`, `owner/name@3`, or a mix such as `owner/a:0.7+owner/b:0.3` */
                        model: string;
                        temperature?: number | null;
                        top_p?: number | null;
                        /** @description -1 or 0: of all tokens */
                        top_k?: number | null;
                        /** @description Tokens of at least this part of the likeliest one’s probability */
                        min_p?: number | null;
                        /** @description Where given, the same request draws the same tokens again */
                        seed?: number | null;
                        frequency_penalty?: number | null;
                        presence_penalty?: number | null;
                        /** @description By token id */
                        logit_bias?: {
                            [key: string]: number;
                        } | null;
                        stop?: string | string[] | null;
                        n?: number | null;
                        stream?: boolean | null;
                        stream_options?: ({
                            include_usage?: boolean | null;
                        } & {
                            [key: string]: unknown;
                        }) | null;
                        max_tokens?: number | null;
                        prompt: string | number[] | [
                            string
                        ] | [
                            number[]
                        ];
                        logprobs?: number | null;
                        echo?: boolean | null;
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            responses: {
                /** @description OpenAI's answer; server-sent events where `stream` is true */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begin a file that comes in parts */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        purpose: string;
                        filename: string;
                        bytes: number;
                        mime_type?: string;
                    } & {
                        [key: string]: unknown;
                    };
                };
            };
            responses: {
                /** @description OpenAI's answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/uploads/{id}/parts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a part: several at a time, in any order */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "multipart/form-data": {
                        /** Format: binary */
                        data: string;
                    };
                };
            };
            responses: {
                /** @description OpenAI's answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/uploads/{id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a file of the parts, in the order that is given */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        part_ids: string[];
                        md5?: string;
                    };
                };
            };
            responses: {
                /** @description OpenAI's answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/uploads/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send no more parts, and make no file of them */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description OpenAI's answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your files, newest first */
        get: {
            parameters: {
                query?: {
                    after?: string;
                    limit?: number;
                    order?: "asc" | "desc";
                    purpose?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            data: components["schemas"]["FileObject"][];
                            last_id: string | null;
                            has_more: boolean;
                        };
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        /** Send a file of rows in one request */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "multipart/form-data": {
                        /** @enum {string} */
                        purpose: "fine-tune";
                        /** Format: binary */
                        file: string;
                    };
                };
            };
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileObject"];
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/files/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A file */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileObject"];
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        /** Delete a file that nothing needs any more */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description OpenAI's answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/files/{id}/content": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is in a file */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description OpenAI's answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/fine_tuning/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your training jobs, newest first */
        get: {
            parameters: {
                query?: {
                    after?: string;
                    limit?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            data: components["schemas"]["FineTuningJob"][];
                            last_id: string | null;
                            has_more: boolean;
                        };
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        /** Train an adapter */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        model: string;
                        training_file: string;
                        validation_file?: string | null;
                        hyperparameters?: {
                            n_epochs?: "auto" | number;
                            batch_size?: "auto" | number;
                            learning_rate_multiplier?: "auto" | number;
                            /** @description At its peak, before the multiplier */
                            learning_rate?: "auto" | number;
                            /** @enum {string} */
                            lr_scheduler_type?: "constant" | "linear" | "cosine";
                            /** @description Share of the steps over which the rate rises from 0 */
                            warmup_ratio?: number;
                            weight_decay?: number;
                            max_grad_norm?: number;
                            /** @description Rank */
                            r?: "auto" | number;
                            /** @description What the adapter adds is scaled by lora_alpha / r */
                            lora_alpha?: "auto" | number;
                            /** @description `all-linear`, `attention`, `mlp`, `q`, `v`, names such as `q_proj`, or full paths */
                            target_modules?: string | string[];
                            /** @description Ranks of single modules */
                            rank_pattern?: {
                                [key: string]: number;
                            };
                            /** @description Alphas of single modules */
                            alpha_pattern?: {
                                [key: string]: number;
                            };
                            /** @description Scales by the root of the rank instead */
                            use_rslora?: boolean;
                            /** @description Trains magnitudes, too */
                            use_dora?: boolean;
                            /** @description LoRA+: the learning rate of B over that of A */
                            loraplus_lr_ratio?: number;
                            /** @description Tokens; longer examples are cut. Absent: the base's context, 2048 at most */
                            max_length?: number;
                            /** @description Several examples in a row, blind to each other */
                            packing?: boolean;
                            /** @description Half the memory, a third more time */
                            gradient_checkpointing?: boolean;
                            /** @description Without a validation file, this share of the rows is kept out of training */
                            validation_split?: number;
                            /** @description Steps between evaluations */
                            eval_steps?: number;
                            /** @description Steps between checkpoints */
                            save_steps?: number;
                            /** @description Evaluations without improvement after which training ends with the best checkpoint */
                            early_stopping_patience?: number;
                            /** @description Answered at every evaluation, so that one can see it learn */
                            sample_prompts?: string[];
                        } | null;
                        method?: {
                            /** @enum {string} */
                            type: "supervised";
                            supervised?: {
                                hyperparameters?: {
                                    n_epochs?: "auto" | number;
                                    batch_size?: "auto" | number;
                                    learning_rate_multiplier?: "auto" | number;
                                    /** @description At its peak, before the multiplier */
                                    learning_rate?: "auto" | number;
                                    /** @enum {string} */
                                    lr_scheduler_type?: "constant" | "linear" | "cosine";
                                    /** @description Share of the steps over which the rate rises from 0 */
                                    warmup_ratio?: number;
                                    weight_decay?: number;
                                    max_grad_norm?: number;
                                    /** @description Rank */
                                    r?: "auto" | number;
                                    /** @description What the adapter adds is scaled by lora_alpha / r */
                                    lora_alpha?: "auto" | number;
                                    /** @description `all-linear`, `attention`, `mlp`, `q`, `v`, names such as `q_proj`, or full paths */
                                    target_modules?: string | string[];
                                    /** @description Ranks of single modules */
                                    rank_pattern?: {
                                        [key: string]: number;
                                    };
                                    /** @description Alphas of single modules */
                                    alpha_pattern?: {
                                        [key: string]: number;
                                    };
                                    /** @description Scales by the root of the rank instead */
                                    use_rslora?: boolean;
                                    /** @description Trains magnitudes, too */
                                    use_dora?: boolean;
                                    /** @description LoRA+: the learning rate of B over that of A */
                                    loraplus_lr_ratio?: number;
                                    /** @description Tokens; longer examples are cut. Absent: the base's context, 2048 at most */
                                    max_length?: number;
                                    /** @description Several examples in a row, blind to each other */
                                    packing?: boolean;
                                    /** @description Half the memory, a third more time */
                                    gradient_checkpointing?: boolean;
                                    /** @description Without a validation file, this share of the rows is kept out of training */
                                    validation_split?: number;
                                    /** @description Steps between evaluations */
                                    eval_steps?: number;
                                    /** @description Steps between checkpoints */
                                    save_steps?: number;
                                    /** @description Evaluations without improvement after which training ends with the best checkpoint */
                                    early_stopping_patience?: number;
                                    /** @description Answered at every evaluation, so that one can see it learn */
                                    sample_prompts?: string[];
                                } | null;
                            } | null;
                        } | null;
                        suffix?: string | null;
                        /** @enum {string|null} */
                        visibility?: "private" | null;
                        seed?: number | null;
                        metadata?: {
                            [key: string]: string;
                        } | null;
                        integrations?: unknown[] | null;
                    };
                };
            };
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FineTuningJob"];
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/fine_tuning/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A training job: how far it is, and what came of it */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FineTuningJob"];
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/fine_tuning/jobs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End a job where it stands */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FineTuningJob"];
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/fine_tuning/jobs/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pause a job at its next checkpoint */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FineTuningJob"];
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/fine_tuning/jobs/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Go on with a job that is paused */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FineTuningJob"];
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/fine_tuning/jobs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a job tells of itself, newest first */
        get: {
            parameters: {
                query?: {
                    after?: string;
                    limit?: number;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            data: components["schemas"]["FineTuningJobEvent"][];
                            last_id: string | null;
                            has_more: boolean;
                        };
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/fine_tuning/jobs/{id}/checkpoints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a job has kept on its way, latest first */
        get: {
            parameters: {
                query?: {
                    after?: string;
                    limit?: number;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            data: components["schemas"]["FineTuningJobCheckpoint"][];
                            last_id: string | null;
                            has_more: boolean;
                        };
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/fine_tuning/jobs/{id}/checkpoints/{checkpoint}/promote": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Publish a checkpoint as a version */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                    checkpoint: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The answer */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            model: string;
                            status: string;
                        };
                    };
                };
                /** @description OpenAI's error shape */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Search the catalog */
        get: {
            parameters: {
                query?: {
                    /** @description Words to look for; quotes, `or` and `-word` work */
                    q?: string;
                    owner?: string;
                    base?: string;
                    task?: string;
                    language?: string;
                    license?: string;
                    tag?: string;
                    /** @description Upper bound of the bucket */
                    rank?: "4" | "8" | "16" | "32" | "64" | "128" | "more";
                    /** @description Upper bound of the bucket */
                    size?: "1MB" | "10MB" | "100MB" | "1GB" | "more";
                    /** @description Compared with its base on held-out rows of its publisher, or of the base */
                    evaluated?: "publisher" | "base";
                    /** @description Only those whose base is loaded: they answer at once */
                    warm?: "true";
                    minRank?: number;
                    maxRank?: number;
                    /** @description `relevance` where there are words to look for, else `newest` */
                    sort?: "relevance" | "newest" | "downloads" | "likes" | "gain";
                    /** @description Also count matches, and the values of each facet among them */
                    counts?: "true" | "false";
                    limit?: number;
                    /** @description `next` of the page before */
                    cursor?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description A page */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AdapterPage"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One adapter, with its card and versions */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The adapter */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AdapterDetail"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Make an adapter private or public, gated or open; also before its first version */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        /**
                         * @description To others, a private adapter is as good as missing
                         * @enum {string}
                         */
                        visibility?: "public" | "private";
                        /**
                         * @description Who wants weights or answers asks first: `auto` lets in whoever asks, `manual` whom you accept
                         * @enum {string|null}
                         */
                        gate?: "auto" | "manual" | null;
                    };
                };
            };
            responses: {
                /** @description As it is now */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Settings"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/versions/{number}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One version, with its files */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The version */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["VersionDetail"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Withdraw a version: nobody finds, fetches or invokes it any more, until it is published again */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The version */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Version"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/versions/{number}/files/{path}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Download a file: redirects to the object store */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    number: number;
                    path: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Where the file is */
                302: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/versions/{number}/family": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a version was trained from, and what was trained from it */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Ancestors and descendants */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Family"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/similar": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Adapters like this one: of its base and task, with its tags */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Up to six */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            adapters: components["schemas"]["Adapter"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files/{sha256}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Which adapter is this file? By its sha256 */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    sha256: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Where it is, newest first */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            files: components["schemas"]["FoundFile"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/reports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tell whoever runs this server that something is wrong with an adapter */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewReport"];
                };
            };
            responses: {
                /** @description Whoever runs the server sees it; its owner, that there was one, and the reason */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/like": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Like an adapter */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Done, or done before */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        post?: never;
        /** Take a like back */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Done, or done before */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Start publishing a version: declare its files, get URLs to upload them to */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["StartAdapter"];
                };
            };
            responses: {
                /** @description The draft */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Draft"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/drafts/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Which parts have arrived, and fresh URLs for the others */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The draft */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Draft"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Give up a draft and what was uploaded of it */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Gone */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/drafts/{id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Check what was uploaded and list it
         * @description An adapter passes the publish gate before it is listed. Answers when that has decided, or after half a minute with a version whose status is `pending`; ask again, or look at the version.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description What is listed now, or pending */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Completed"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/versions/{number}/verifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the publish gate found, newest first */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Verifications */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            verifications: components["schemas"]["Verification"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Have a version verified again */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The version */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Version"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/versions/{number}/quarantine": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take a version off the list; its publisher still sees it */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The version */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Version"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/bases": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Base models */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description All bases */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            bases: components["schemas"]["Base"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/bases/{owner}/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One base model, with its files */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The base */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["BaseDetail"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Start importing a base model: a Hugging Face checkpoint folder */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["StartBase"];
                };
            };
            responses: {
                /** @description The draft */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Draft"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sign-in": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How people may sign in here */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The ways */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SignInWays"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/people": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give somebody an account, or a new password */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewPerson"];
                };
            };
            responses: {
                /** @description What they sign in with */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["GivenPassword"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/whoami": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whose key this is, and what it may do */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The key */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Whoami"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your keys */
        get: {
            parameters: {
                query?: {
                    /** @description An organisation that you administer, or a service account of one */
                    owner?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Your keys */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            keys: components["schemas"]["Key"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Make a key */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewKey"];
                };
            };
            responses: {
                /** @description The key, shown only now */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MadeKey"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revoke a key of yours, or of a service account of an organisation that you administer */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Revoked */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End keys that you hold: whoever finds one may, without any other */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["HeldKeys"];
                };
            };
            responses: {
                /** @description How many of them were keys */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            revoked: number;
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/organisations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make an organisation, and be its first admin */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        name: string;
                    };
                };
            };
            responses: {
                /** @description The organisation */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            name: string;
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/organisations/{organisation}/members": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who belongs to an organisation: for its members */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    organisation: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Members */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            members: components["schemas"]["Member"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/organisations/{organisation}/members/{member}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Take somebody in, or change a role */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    organisation: string;
                    member: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["MemberRole"];
                };
            };
            responses: {
                /** @description Done */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        post?: never;
        /** Take somebody out, or leave */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    organisation: string;
                    member: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Done */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/organisations/{organisation}/service-accounts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make an account for a program; its keys are made with POST /api/keys */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    organisation: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewServiceAccount"];
                };
            };
            responses: {
                /** @description The account */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            name: string;
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/access": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who asked for access */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Requests */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            requests: components["schemas"]["AccessRequest"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Ask for access to a gated adapter */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        /** @default  */
                        message?: string;
                    };
                };
            };
            responses: {
                /** @description What became of it */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            /** @enum {string} */
                            status: "pending" | "accepted" | "rejected";
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/access/{user}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Let somebody in, or not; also who has not asked */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    user: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": {
                        /** @enum {string} */
                        status: "accepted" | "rejected";
                    };
                };
            };
            responses: {
                /** @description Done */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/trusted-publishers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Workflows that may publish this adapter without a key of yours */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Publishers */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            publishers: components["schemas"]["TrustedPublisher"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Trust a workflow to publish this adapter, also before its first version */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewTrustedPublisher"];
                };
            };
            responses: {
                /** @description The publisher */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TrustedPublisher"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/adapters/{owner}/{name}/trusted-publishers/{publisher}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Trust a workflow no longer */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    owner: string;
                    name: string;
                    publisher: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Done */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Exchange a workflow’s identity token, made for the audience `patchbay`, for a key */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/x-www-form-urlencoded": {
                        /** @enum {string} */
                        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange";
                        subject_token: string;
                        /** @enum {string} */
                        subject_token_type: "urn:ietf:params:oauth:token-type:id_token" | "urn:ietf:params:oauth:token-type:jwt";
                    };
                };
            };
            responses: {
                /** @description RFC 8693: the key, for an hour */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Exchanged"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What you used in a month, by model, and what it costs */
        get: {
            parameters: {
                query?: {
                    /** @description This one unless given */
                    month?: string;
                    /** @description An organisation that you administer, or a service account of one */
                    owner?: string;
                    format?: "json" | "csv";
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The statement */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UsageStatement"];
                        "text/csv": string;
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/earnings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What your adapters earned in a month */
        get: {
            parameters: {
                query?: {
                    /** @description This one unless given */
                    month?: string;
                    /** @description An organisation that you administer, or a service account of one */
                    owner?: string;
                    format?: "json" | "csv";
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The statement */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EarningsStatement"];
                        "text/csv": string;
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/usage/cap": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** The most that may be spent in a month: beyond it, answers and training are refused */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SpendingCap"] & {
                        /** @description An organisation that you administer, or a service account of one */
                        owner?: string;
                    };
                };
            };
            responses: {
                /** @description As it is now */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SpendingCap"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/prices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Prices, newest first; of each kind the newest that is due holds */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Prices */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            prices: components["schemas"]["Price"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Set a price, from now or later on */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewPrice"];
                };
            };
            responses: {
                /** @description The price */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Price"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/evaluate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Measure a base, a version or a mix on held-out rows, beside its base */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A request that comes again with it is the same task */
                    "idempotency-key"?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewEvaluation"];
                };
            };
            responses: {
                /** @description The task, which waits for a runner */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Task"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/merge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Merge a version or a mix into its base, as a Hugging Face checkpoint to take away */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A request that comes again with it is the same task */
                    "idempotency-key"?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewMerge"];
                };
            };
            responses: {
                /** @description The task, which waits for a runner */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Task"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/reproduce": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Train a version again from its receipt, and compare the bytes; nothing is published */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description A request that comes again with it is the same task */
                    "idempotency-key"?: string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewReproduction"];
                };
            };
            responses: {
                /** @description The task, which waits for a runner */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Task"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your tasks, newest first */
        get: {
            parameters: {
                query?: {
                    limit?: number;
                    /** @description `next` of the page before */
                    after?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Tasks */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            tasks: components["schemas"]["Task"][];
                            next: string | null;
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{task}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A task: how far it is, and what came of it */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    task: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The task */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Task"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{task}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Cancel a task that is not over */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    task: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The task */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Task"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{task}/files/{path}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A file that a task made, by a URL that is good for an hour */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    task: string;
                    path: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Where it is */
                302: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/warm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Load a base and adapters where they would be asked; it counts as a request for one token */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Wanted"];
                };
            };
            responses: {
                /** @description They are in the memory of a runner */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Warm"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Your webhooks */
        get: {
            parameters: {
                query?: {
                    /** @description An organisation that you administer, or a service account of one */
                    owner?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Webhooks */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            webhooks: components["schemas"]["Webhook"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Be told what happens: signed as Standard Webhooks are */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewWebhook"];
                };
            };
            responses: {
                /** @description The webhook; its secret is shown only now */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["MadeWebhook"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Be told no more */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Done */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{id}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was told, and how it was answered; newest first */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Deliveries */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            deliveries: components["schemas"]["Delivery"][];
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{id}/deliveries/{delivery}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tell it once more */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                    delivery: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description It will be */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was done under your name, by whom; newest first */
        get: {
            parameters: {
                query?: {
                    /** @description An organisation that you administer, or a service account of one */
                    owner?: string;
                    /** @description Of all names: for the admin */
                    all?: "true" | "false";
                    before?: number;
                    limit?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Events */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": {
                            events: components["schemas"]["AuditEvent"][];
                            next: number | null;
                        };
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/operator": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Runner, queues, storage and reports */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description As it is now */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Operator"];
                    };
                };
                /** @description RFC 9457 problem */
                default: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        FileObject: {
            id: string;
            bytes: number;
            created_at: number;
            filename: string;
            purpose: string;
        };
        FineTuningJob: {
            id: string;
            status: string;
            model: string;
            fine_tuned_model: string | null;
            organization_id: string;
            user_provided_suffix: string;
            trained_tokens: number | null;
            created_at: number;
            finished_at: number | null;
        };
        FineTuningJobEvent: {
            id: string;
            created_at: number;
            level: string;
            type: string;
            message: string;
        };
        FineTuningJobCheckpoint: {
            id: string;
            created_at: number;
            step_number: number;
            fine_tuned_model_checkpoint: string;
        };
        AdapterPage: {
            adapters: components["schemas"]["Adapter"][];
            next: string | null;
            /** @description Nothing holds the words; these have a similar name */
            alike: boolean;
            /** @description Bases that are loaded: their adapters answer at once */
            warm: string[];
            counts?: {
                total: number;
                /** @description If not, there are more, and facets count this many of them */
                exact: boolean;
                facets: {
                    base?: {
                        value: string;
                        count: number;
                    }[];
                    task?: {
                        value: string;
                        count: number;
                    }[];
                    language?: {
                        value: string;
                        count: number;
                    }[];
                    license?: {
                        value: string;
                        count: number;
                    }[];
                    rank?: {
                        value: string;
                        count: number;
                    }[];
                    size?: {
                        value: string;
                        count: number;
                    }[];
                    evaluated?: {
                        value: string;
                        count: number;
                    }[];
                    tag?: {
                        value: string;
                        count: number;
                    }[];
                };
            };
        };
        Adapter: {
            id: string;
            owner: string;
            name: string;
            title: string;
            summary: string;
            task: string | null;
            license: string | null;
            languages: string[];
            tags: string[];
            /** @description Nats per token that it is better than its base on held-out rows */
            evalGain: number | null;
            /** @description The gain’s 95% confidence interval, and the share of rows answered right */
            evaluation: {
                rows: number;
                gain: {
                    low: number;
                    high: number;
                };
                accuracy: {
                    base: number;
                    adapter: number;
                };
            } | null;
            base: string;
            rank: number;
            parameters: number;
            size: number;
            latest: number;
            /** @enum {string} */
            visibility: "public" | "private";
            /** @enum {string|null} */
            gate: "auto" | "manual" | null;
            /** @description Of the last 30 days */
            downloads: number;
            likes: number;
            createdAt: string;
            updatedAt: string;
        };
        Problem: {
            type: string;
            title: string;
            status: number;
            code: string;
            detail: string;
            field?: string;
            problems?: {
                code: string;
                detail: string;
                field?: string;
            }[];
            requestId: string;
        };
        AdapterDetail: components["schemas"]["Adapter"] & {
            card: string;
            /** @description By whoever asks */
            liked: boolean;
            /** @description The card, rendered and safe to show */
            cardHtml: string;
            versions: components["schemas"]["Version"][];
        };
        Version: {
            number: number;
            /** @example alice/sql@3 */
            reference: string;
            /**
             * @description Only `passed` is listed; the others its publisher sees
             * @enum {string}
             */
            status: "pending" | "passed" | "refused" | "quarantined" | "withdrawn";
            digest: string;
            /** @description It was committed to; null: `main` */
            branch: string | null;
            base: string;
            rank: number;
            parameters: number;
            targetModules: string[];
            size: number;
            createdAt: string;
            /** @description What it was trained from, where it was trained here */
            lineage: {
                jobId: string;
                base: {
                    id: string;
                    digest: string;
                };
                /** @description sha256 of the file */
                trainingFile: string;
                validationFile: string | null;
                parent: string | null;
                /** @description Of the checkpoint that was promoted */
                step?: number;
            } | null;
            /** @description How it was trained: enough to repeat it */
            receipt: {
                [key: string]: unknown;
            } | null;
        };
        VersionDetail: components["schemas"]["Version"] & {
            title: string;
            summary: string;
            task: string | null;
            license: string | null;
            languages: string[];
            tags: string[];
            /** @description Nats per token that it is better than its base on held-out rows */
            evalGain: number | null;
            /** @description The gain’s 95% confidence interval, and the share of rows answered right */
            evaluation: {
                rows: number;
                gain: {
                    low: number;
                    high: number;
                };
                accuracy: {
                    base: number;
                    adapter: number;
                };
            } | null;
            config: {
                [key: string]: unknown;
            };
            card: string;
            /** @description The card, rendered and safe to show */
            cardHtml: string;
            files: components["schemas"]["File"][];
            verification: components["schemas"]["Verification"];
            runsOn: {
                platform: string;
                /** @enum {string} */
                runs: "yes" | "with changes" | "no";
                reasons: string[];
                source: string;
                asOf: string;
            }[];
        };
        File: {
            path: string;
            size: number;
            sha256: string;
        };
        /** @description The last one that is finished */
        Verification: {
            /** @description Of the publish gate, counted up when it looks at more */
            rules: number;
            /** @enum {string} */
            status: "waiting" | "running" | "passed" | "refused";
            requestedAt: string;
            checkedAt: string | null;
            problems: {
                code: string;
                detail: string;
                field?: string;
            }[];
            findings: {
                smoke?: {
                    prompts: number;
                    maxLogprobDifference: number;
                    changedAnswers: number;
                    answers: {
                        prompt: string;
                        base: string;
                        adapter: string;
                    }[];
                };
                evaluation?: {
                    /** @enum {string} */
                    of: "publisher" | "base";
                    rows: number;
                    loss: {
                        base: number;
                        adapter: number;
                    };
                    lossDifference: {
                        value: number;
                        low: number;
                        high: number;
                    };
                    accuracy: {
                        base: {
                            value: number;
                            low: number;
                            high: number;
                        };
                        adapter: {
                            value: number;
                            low: number;
                            high: number;
                        };
                    };
                };
                notes: string[];
                spectrum: {
                    module: string;
                    rank: number;
                    singularValues: number[];
                    effectiveRank: number;
                    rankFor99: number;
                    amplification: number | null;
                }[];
                advice: string[];
            } | null;
            /** @description Signed (JWS, EdDSA): all of this, and the digests. Keys: /.well-known/jwks.json */
            record: string | null;
        } | null;
        Family: {
            base: string;
            /** @description What it was trained from, nearest first */
            ancestors: string[];
            /** @description What was trained from it, and from that */
            descendants: {
                reference: string;
                parent: string;
            }[];
        };
        FoundFile: {
            adapter: string;
            version: number;
            reference: string;
            path: string;
        };
        NewReport: {
            /** @enum {string} */
            reason: "harmful" | "licence" | "misleading" | "broken" | "other";
            /** @default  */
            message: string;
        };
        Draft: {
            id: string;
            expiresAt: string;
            files: {
                path: string;
                size: number;
                /**
                 * @description `present`: nothing to send
                 * @enum {string}
                 */
                status: "present" | "upload";
                partSize?: number;
                /** @description PUT bytes [(number - 1) * partSize, size) of the file to `url`; ask for the draft again for fresh URLs */
                parts?: {
                    number: number;
                    size: number;
                    done: boolean;
                    url?: string;
                }[];
            }[];
        };
        StartAdapter: {
            base: string;
            files: {
                path: string;
                size: number;
                sha256: string;
            }[];
            /**
             * @description A new adapter begins private. What one that is there is, is changed with PATCH
             * @enum {string}
             */
            visibility?: "private";
        };
        Completed: {
            /** @enum {string} */
            kind: "adapter";
            created: boolean;
            version: components["schemas"]["Version"];
        } | {
            /** @enum {string} */
            kind: "base";
            base: components["schemas"]["Base"];
        };
        Base: {
            id: string;
            digest: string;
            architecture: string;
            parameters: number;
            contextLength: number;
            hiddenSize: number;
            layers: number;
            vocabSize: number;
            createdAt: string;
        };
        BaseDetail: components["schemas"]["Base"] & {
            card: string;
            /** @description The card, rendered and safe to show */
            cardHtml: string;
            config?: unknown;
            files: components["schemas"]["File"][];
        };
        StartBase: {
            files: {
                path: string;
                size: number;
                sha256: string;
            }[];
        };
        SignInWays: {
            /** @description Whether anybody may make an account */
            signUp: boolean;
            github: boolean;
        };
        GivenPassword: {
            name: string;
            email: string;
            /** @description Shown only now; its owner can change it in the settings */
            password: string;
        };
        NewPerson: {
            name: string;
            /**
             * Format: email
             * @description What they sign in with; of an account that is there already, its own
             */
            email: string;
        };
        Whoami: {
            owner: string;
            scopes: ("read" | "publish" | "infer" | "train" | "manage" | "admin")[];
            adapters: string[] | null;
            organisations: {
                name: string;
                /** @enum {string} */
                role: "read" | "write" | "admin";
            }[];
        };
        MadeKey: {
            id: string;
            name: string;
            scopes: ("read" | "publish" | "infer" | "train" | "manage" | "admin")[];
            adapters: string[] | null;
            createdAt: string;
            expiresAt: string | null;
            /** @description Shown only now */
            key: string;
        };
        NewKey: {
            name: string;
            scopes: ("read" | "publish" | "infer" | "train" | "manage" | "admin")[];
            /** @description Unless given, as long as the key that makes it */
            expiresInSeconds?: number;
            /** @description The key is for these alone */
            adapters?: string[];
            /** @description Whose key: of a service account of an organisation that you administer. The server’s admin may name anybody, who is made if need be */
            owner?: string;
        };
        Key: {
            id: string;
            name: string;
            start: string;
            scopes: ("read" | "publish" | "infer" | "train" | "manage" | "admin")[];
            adapters: string[] | null;
            createdAt: string;
            expiresAt: string | null;
        };
        HeldKeys: {
            keys: string[];
        };
        Member: {
            name: string;
            /** @enum {string} */
            kind: "person" | "organisation" | "service";
            /** @enum {string} */
            role: "read" | "write" | "admin";
            since: string;
        };
        MemberRole: {
            /** @enum {string} */
            role: "read" | "write" | "admin";
        };
        NewServiceAccount: {
            name: string;
            /**
             * @default write
             * @enum {string}
             */
            role: "read" | "write" | "admin";
        };
        Settings: {
            /**
             * @description To others, a private adapter is as good as missing
             * @enum {string}
             */
            visibility: "public" | "private";
            /**
             * @description Who wants weights or answers asks first: `auto` lets in whoever asks, `manual` whom you accept
             * @enum {string|null}
             */
            gate: "auto" | "manual" | null;
        };
        AccessRequest: {
            user: string;
            /** @enum {string} */
            status: "pending" | "accepted" | "rejected";
            message: string;
            createdAt: string;
            decidedAt: string | null;
        };
        TrustedPublisher: components["schemas"]["NewTrustedPublisher"] & {
            id: string;
            createdAt: string;
        };
        NewTrustedPublisher: {
            /**
             * Format: uri
             * @example https://token.actions.githubusercontent.com
             */
            issuer: string;
            /**
             * @description All of these must be in the token
             * @example {
             *       "repository": "alice/adapters",
             *       "ref": "refs/heads/main"
             *     }
             */
            claims: {
                [key: string]: string;
            };
        };
        Exchanged: {
            access_token: string;
            issued_token_type: string;
            /** @enum {string} */
            token_type: "Bearer";
            expires_in: number;
            scope: string;
            adapters: string[];
        };
        UsageStatement: {
            owner: string;
            month: string;
            /** @enum {string} */
            currency: "USD";
            total: number;
            cap: number | null;
            items: {
                model: string;
                /** @enum {string} */
                kind: "prompt" | "completion" | "training" | "storage";
                quantity: number;
                charge: number;
            }[];
        };
        EarningsStatement: {
            owner: string;
            month: string;
            /** @enum {string} */
            currency: "USD";
            total: number;
            items: {
                adapter: string;
                /** @enum {string} */
                kind: "prompt" | "completion" | "training" | "storage";
                amount: number;
            }[];
        };
        SpendingCap: {
            /** @description In dollars; null: none */
            cap: number | null;
        };
        Price: {
            base: string | null;
            /** @enum {string} */
            kind: "prompt" | "completion" | "training" | "storage";
            perMillion: number;
            ownersShare: number;
            since: string;
        };
        NewPrice: {
            /**
             * @description Null: all without a price of their own
             * @default null
             */
            base: string | null;
            /** @enum {string} */
            kind: "prompt" | "completion" | "training" | "storage";
            /** @description Dollars for a million tokens, or bytes a day */
            perMillion: number;
            /**
             * @description Of it, the part of the adapters’ owners
             * @default 0
             */
            ownersShare: number;
            /** Format: date-time */
            since?: string;
        };
        Task: {
            id: string;
            function: string;
            model: string;
            base: string;
            /** @description What the name meant when the task was made */
            versions: {
                version: string;
                weight: number;
            }[];
            file: string | null;
            /** @enum {string} */
            status: "queued" | "running" | "succeeded" | "failed" | "cancelled";
            progress: {
                what: string;
                done: number;
                total: number;
            } | null;
            result: {
                /** @enum {string} */
                of: "user" | "base";
                rows: number;
                tokens: number;
                base: {
                    loss: number;
                    accuracy: {
                        value: number;
                        low: number;
                        high: number;
                    };
                };
                model: {
                    loss: number;
                    accuracy: {
                        value: number;
                        low: number;
                        high: number;
                    };
                } | null;
                gain: {
                    value: number;
                    low: number;
                    high: number;
                } | null;
            } | {
                same: boolean;
                digests: {
                    path: string;
                    before: string;
                    again: string;
                }[];
                differences: {
                    what: string;
                    before?: unknown;
                    again?: unknown;
                }[];
            } | {
                files: {
                    path: string;
                    size: number;
                    sha256: string;
                }[];
            } | null;
            /** @description Until then its files can be fetched */
            filesExpireAt: string | null;
            error: {
                code: string;
                message: string;
                field?: string;
            } | null;
            createdAt: string;
            startedAt: string | null;
            finishedAt: string | null;
        };
        NewEvaluation: {
            /** @description A base, `owner/name`, `owner/name@3`, or a mix such as `owner/a:0.7+owner/b:0.3` */
            model: string;
            /** @description An uploaded file of rows to measure with; without it, those of the base */
            file?: string;
        };
        NewMerge: {
            /** @description A base, `owner/name`, `owner/name@3`, or a mix such as `owner/a:0.7+owner/b:0.3` */
            model: string;
        };
        NewReproduction: {
            /** @description A version with a receipt: `owner/name@3` */
            model: string;
            /** @description An uploaded file with the bytes of the training file; without it, the one of the job, if it is yours */
            file?: string;
            /** @description The same for the validation file, where there was one */
            validationFile?: string;
        };
        Warm: {
            base: string;
            /** @description The adapters, as `owner/name@3` */
            versions: string[];
            /** @description What the first request would have waited for */
            seconds: number;
        };
        Wanted: {
            /** @description A base, a version or a mix, as for a chat */
            model: string;
        };
        MadeWebhook: components["schemas"]["Webhook"] & {
            secret: string;
        };
        Webhook: {
            id: string;
            owner: string;
            url: string;
            kinds: ("version.submitted" | "version.listed" | "version.refused" | "version.quarantined" | "version.withdrawn" | "job.succeeded" | "job.failed" | "job.cancelled" | "access.accepted" | "access.rejected" | "statement.closed")[];
            createdAt: string;
            /** @description It was answered with 410 */
            disabled: boolean;
        };
        NewWebhook: {
            /** Format: uri */
            url: string;
            /** @description All unless given */
            kinds?: ("version.submitted" | "version.listed" | "version.refused" | "version.quarantined" | "version.withdrawn" | "job.succeeded" | "job.failed" | "job.cancelled" | "access.accepted" | "access.rejected" | "statement.closed")[];
            /** @description An organisation that you administer, or a service account of one */
            owner?: string;
        };
        Delivery: {
            id: string;
            kind: string;
            subject: string;
            /** @enum {string} */
            status: "waiting" | "delivered" | "failed";
            attempts: number;
            answer: string | null;
            nextAt: string | null;
        };
        AuditEvent: {
            id: number;
            at: string;
            actor: string | null;
            kind: string;
            subject: string;
            data: {
                [key: string]: unknown;
            };
        };
        Operator: {
            /** @description All runners together; `waiting` is how deep their queues are. Null: none can be reached */
            runner: {
                /** @enum {string} */
                status: "ok" | "draining";
                provider: string;
                baseBytes: number;
                slots: number;
                maxWaiting: number;
                bases: {
                    id: string;
                    digest: string;
                    contextLength: number;
                }[];
                running: number;
                waiting: number;
                adaptersInMemory: number;
                adapters: string[];
                answerSeconds: number | null;
            } | null;
            /** @description Each, as it last said itself */
            runners: {
                url: string;
                health: {
                    /** @enum {string} */
                    status: "ok" | "draining";
                    provider: string;
                    baseBytes: number;
                    slots: number;
                    maxWaiting: number;
                    bases: {
                        id: string;
                        digest: string;
                        contextLength: number;
                    }[];
                    running: number;
                    waiting: number;
                    adaptersInMemory: number;
                    adapters: string[];
                    answerSeconds: number | null;
                };
            }[];
            adapters: number;
            people: number;
            /** @description Uploads under way */
            drafts: number;
            /** @description Bytes */
            stored: {
                blobs: number;
                files: number;
            };
            /** @description Training jobs by status */
            jobs: {
                [key: string]: number;
            };
            /** @description By status */
            verifications: {
                [key: string]: number;
            };
            /** @description By status */
            tasks: {
                [key: string]: number;
            };
            /** @description What runners work on: jobs, versions and tasks */
            leases: {
                function: string;
                what: string;
                expiresAt: string;
            }[];
            /** @description What somebody found wrong with an adapter; the newest */
            reports: {
                at: string;
                adapter: string;
                by: string | null;
                reason: string;
                message: string;
            }[];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
