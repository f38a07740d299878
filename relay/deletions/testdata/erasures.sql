-- A ledger as the program wrote it when its tables were called erasures.
DELETE FROM erasure_head;
INSERT INTO erasure_head VALUES(1,3,'1ccff26020e27571ec75de65b21d8a637bf251f7fd2b6dc310845a20e97e6031',1795734137447,1795734137369,0);
INSERT INTO erasures VALUES(1,'a042e8145e2b7fd36ea4727641eaee84','mytool','00000000000000000000000000000001','done',1795734137369,1795734137369,1795734137369,1798326137369,0,86400000,0,0);
INSERT INTO erasures VALUES(2,'2d6ab559c6849a0675f8aa3914d44a29','mytool','00000000000000000000000000000002','acknowledged',1795734137385,1795734137385,1795734137385,1798326137385,0,86400000,1,1);
INSERT INTO erasure_vendors VALUES(1,0,'mytool','posthog','done',1795734137447,0,0,0,'','',0,0,86400000,0,0,'');
INSERT INTO erasure_vendors VALUES(2,0,'mytool','posthog','requested',1795734137385,0,0,0,'','',0,1,86400000,0,0,'');
INSERT INTO erasure_steps VALUES(1,1,'{"seq":1,"at":"2026-11-26T23:02:17.369Z","clock_ms":0,"event":"received","id":"a042e8145e2b7fd36ea4727641eaee84","tool":"mytool","machine_id":"00000000000000000000000000000001","requested_at":"2026-11-26T23:02:17.369Z","due_at":"2026-12-26T23:02:17.369Z","by":"alice","why":"letter of 3 May","vendors":["posthog"],"wait_ms":86400000,"prev":"0000000000000000000000000000000000000000000000000000000000000000"}');
INSERT INTO erasure_steps VALUES(2,2,'{"seq":2,"at":"2026-11-26T23:02:17.385Z","clock_ms":0,"event":"received","id":"2d6ab559c6849a0675f8aa3914d44a29","tool":"mytool","machine_id":"00000000000000000000000000000002","requested_at":"2026-11-26T23:02:17.385Z","due_at":"2026-12-26T23:02:17.385Z","by":"alice","why":"letter of 3 May","vendors":["posthog"],"wait_ms":86400000,"prev":"eeadf04b596b78dc234015217eaf64ee6086bd31b57f0d09a97c3ef7a465e827"}');
INSERT INTO erasure_steps VALUES(3,1,'{"seq":3,"at":"2026-11-26T23:02:17.447Z","clock_ms":0,"event":"done","id":"a042e8145e2b7fd36ea4727641eaee84","by":"bob","why":"gone","prev":"77cf2728bb5ee1a409f911c1823ed1f0f37ad697cb8ddce08cf66ef82d2985b2"}');
INSERT INTO erasure_totals VALUES('mytool','acknowledged',1);
INSERT INTO erasure_totals VALUES('mytool','done',1);
INSERT INTO erasure_lanes VALUES('mytool','posthog',0,'');
